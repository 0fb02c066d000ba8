// Chooses a word and a unit worth looking at where the address names none, and keeps both inside the trace.

const LONGEST_LOOKED_THROUGH = 2000;

/** Sets state.t and state.u after a new text or model; a unit that keeps the key word is preferred. */
export async function settle(context) {
  const { store } = context;
  if (!store.model || store.model.error || !["cell", "memory"].includes(context.state.v) || !store.text()) return;
  const question = JSON.stringify(store.question());
  const trace = await store.trace();
  if (JSON.stringify(store.question()) !== question) return;
  const patch = {};
  const layer = trace.layers[context.state.l] ?? trace.layers[0];
  if (!trace.layers[context.state.l]) patch.l = 0;
  if (context.state.d !== "forward" && layer.directions < 2) patch.d = "forward";
  if (context.state.t < 0) patch.t = Math.max(0, keyStep(trace, store.key()));
  else if (context.state.t >= trace.T) patch.t = trace.T - 1;
  if (context.state.u < 0) patch.u = await goodUnit(context, trace, patch);
  else if (context.state.u >= layer.hidden) patch.u = layer.hidden - 1;
  if (JSON.stringify(store.question()) === question && Object.keys(patch).length) context.setState(patch);
}

function keyStep(trace, key) {
  return key ? trace.tokens.findIndex(([token]) => token.toLowerCase() === key.toLowerCase()) : -1;
}

async function goodUnit({ state, store }, trace, patch) {
  const by = trace.alternatives > 0 ? "keeps" : "tau";
  const place = { layer: patch.l ?? state.l, direction: patch.d ?? state.d };
  const { permutation, score } = await store.ask("get", "order", { by, ...place });
  const step = keyStep(trace, store.key());
  if (store.model.family !== "lstm" || step < 0 || step > trace.T - 3 || trace.T > LONGEST_LOOKED_THROUGH) return permutation[0];
  const gates = await store.ask("tensors", "maps", { ...place, what: "f,i,o,c", dtype: "f32" });
  const tied = permutation.filter((unit) => score[unit] === score[permutation[0]]);
  const told = tied.map((unit) => story(gates, unit, step, trace.T));
  return tied[told.indexOf(Math.max(...told))];
}

// Of units that keep the word equally long, the one that tells it plainest: written there, held still, hidden, then said.
function story(lanes, unit, step, steps) {
  const row = (letter) => lanes[letter].data.subarray(unit * steps, (unit + 1) * steps);
  const after = row("c").subarray(step);
  const largest = Math.max(...after.map(Math.abs), 1e-9);
  const still = Math.max(0, 1 - (Math.max(...after) - Math.min(...after)) / largest);
  const between = row("o").subarray(step + 1, steps - 1);
  const hidden = between.reduce((total, value) => total + value, 0) / between.length;
  return row("i")[step] * still * Math.max(0, row("o")[steps - 1] - hidden);
}
