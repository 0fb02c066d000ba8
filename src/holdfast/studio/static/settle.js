// Chooses a word and a unit worth looking at where the address names none, and keeps both inside the trace.

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
  if (context.state.t < 0) patch.t = keyWord(trace, store.key());
  else if (context.state.t >= trace.T) patch.t = trace.T - 1;
  if (context.state.u < 0) patch.u = await goodUnit(context, trace, patch);
  else if (context.state.u >= layer.hidden) patch.u = layer.hidden - 1;
  if (JSON.stringify(store.question()) === question && Object.keys(patch).length) context.setState(patch);
}

function keyWord(trace, key) {
  const found = trace.tokens.findIndex(([token]) => token.toLowerCase() === key.toLowerCase());
  return Math.max(0, found);
}

async function goodUnit({ state, store }, trace, patch) {
  const by = trace.alternatives > 0 ? "keeps" : "tau";
  const place = { layer: patch.l ?? state.l, direction: patch.d ?? state.d };
  const { permutation } = await store.ask("get", "order", { by, ...place });
  return permutation[0];
}
