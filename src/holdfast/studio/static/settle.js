// Chooses a word and a unit worth looking at where the address names none, and keeps both inside the trace.

const LONGEST_LOOKED_THROUGH = 2000;

/** Sets state.t and state.u after a new text or model; a unit that keeps the key word is preferred. */
export async function settle(context) {
  const { store } = context;
  if (!store.model || store.model.error || !["cell", "memory"].includes(context.state.v) || !store.text()) return;
  const question = JSON.stringify(store.question());
  const trace = await store.trace();
  const unit = context.state.u < 0 ? await goodUnit(store, trace, placeIn(trace, context.state)) : 0;
  // The reader may have gone elsewhere meanwhile: only what is still open is chosen, in the state as it is now.
  const { state } = context;
  if (JSON.stringify(store.question()) !== question) return;
  const { layer, direction } = placeIn(trace, state);
  const patch = { l: layer, d: direction };
  patch.t = state.t < 0 ? Math.max(0, keyStep(trace, store.key())) : Math.min(state.t, trace.T - 1);
  patch.u = Math.min(state.u < 0 ? unit : state.u, trace.layers[layer].hidden - 1);
  context.setState(patch);
}

/** The layer and direction of a state, or the first where the trace has none such. */
function placeIn(trace, { l, d }) {
  const layer = trace.layers[l] ? l : 0;
  return { layer, direction: trace.layers[layer].directions > 1 ? d : "forward" };
}

function keyStep(trace, key) {
  return key ? trace.tokens.findIndex(([token]) => token.toLowerCase() === key.toLowerCase()) : -1;
}

async function goodUnit(store, trace, place) {
  if (trace.alternatives > 0) return (await keepersOf(store, trace, place)).units[0];
  return (await store.ask("get", "order", { by: "tau", ...place })).permutation[0];
}

/** The units by how long they keep the key word, the one that shows it plainest first: {units, words: by unit}. */
export async function keepersOf(store, trace, place) {
  const { permutation, score, words } = await store.ask("get", "order", { by: "keeps", ...place });
  const step = keyStep(trace, store.key());
  const plain = store.model.family !== "lstm" || step < 0 || step > trace.T - 3 || trace.T > LONGEST_LOOKED_THROUGH;
  if (plain) return { units: permutation, words };
  const lanes = await store.ask("tensors", "maps", { ...place, what: "i,o,c", dtype: "f32" });
  const told = permutation.map((unit) => story(lanes, unit, step, trace.T));
  const rank = new Map(permutation.map((unit, n) => [unit, told[n]]));
  const units = [...permutation].sort((a, b) => score[b] - score[a] || rank.get(b) - rank.get(a));
  return { units, words };
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
