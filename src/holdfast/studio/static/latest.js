// One task for the newest of several keys: repeats share its promise, and what an older key brings late is told apart.

/** Makes `run(key, ...given)` of `task(still, ...given)`; `still()` says whether no other key was asked for meanwhile. */
export function latest(task) {
  let now = { key: null };
  return (key, ...given) => {
    if (now.key === key) return now.promise;
    const mine = { key };
    now = mine;
    mine.promise = task(() => now === mine, ...given).catch((error) => {
      if (now === mine) now = { key: null };
      throw error;
    });
    return mine.promise;
  };
}
