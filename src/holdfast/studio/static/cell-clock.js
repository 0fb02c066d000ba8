// The time within one word: it only runs forward by play, and every picture depends on nothing else.

const LENGTHS = [350, 500, 450, 450, 600, 600]; // ms of each phase at speed 1

/** The time at which a phase is shown at rest: its end, where all it does has happened; 6 is the whole picture. */
export function restTime(phase) {
  if (phase >= 6) return 6;
  return phase >= 5 ? 5.999 : phase + 1;
}

/**
 * Makes the clock: `play(from, until)`, `pause()`, `playing`, `time`, `until`, `seek(time)`, `speed`.
 * `onTime(time)` paints; `onEnd()` hears that `until` is reached and says whether to go on with the next word.
 */
export function makeClock({ onTime, onEnd, phases }) {
  let handle = 0;
  let last = 0;
  const clock = { time: 6, until: Infinity, playing: false, speed: 1 };

  function tick(now) {
    if (!clock.playing) return;
    const passed = Math.min(100, now - last);
    last = now;
    let phase = Math.min(5, Math.floor(clock.time));
    // A family without this phase goes on to its next one at once.
    while (phase < 5 && !phases().includes(phase)) phase += 1;
    const start = Math.max(clock.time, phase);
    clock.time = Math.min(6, clock.until, start + (passed * clock.speed) / LENGTHS[phase]);
    const done = clock.time >= Math.min(6, clock.until);
    onTime(clock.time);
    if (done && !onEnd()) clock.pause();
    else if (clock.playing) handle = requestAnimationFrame(tick);
  }

  clock.play = (from = clock.time >= 6 ? 0 : clock.time, until = Infinity) => {
    cancelAnimationFrame(handle);
    Object.assign(clock, { time: from, until, playing: true });
    last = performance.now();
    handle = requestAnimationFrame(tick);
  };
  clock.pause = () => {
    clock.playing = false;
    cancelAnimationFrame(handle);
  };
  clock.seek = (time) => {
    clock.time = Math.min(6, Math.max(0, time));
    onTime(clock.time);
  };
  return clock;
}
