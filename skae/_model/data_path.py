"""The way through codes of data: shortest paths in a graph of neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

_N_NEIGHBORS = 3
_N_BRIDGES = 2  # of a separate part of the graph: a chain has a part on either side
_TINY = 1e-30  # the length of an edge between equal codes, which a graph has to hold
_LARGE = 1000  # codes of a part of the graph, from which the others get a search
_N_OUTSIDE = 10  # neighbours that tell which parts are next to one
_N_PAIRS = 64  # whose ways are in memory together


def data_path(
    start: np.ndarray, end: np.ndarray, n_steps: int, through: np.ndarray
) -> np.ndarray:
    r"""Return points on the shortest path through codes of data, both ends included.

    Each code is joined to its three nearest, and a separate part of the graph to the
    nearest code of the two parts next to it, as in a chain. The length of a path is the
    sum of the *squared* lengths of its edges [1]_, so that many short ones are
    preferred to a leap. It is passed in equal steps.

    Parameters
    ----------
    start, end : ndarray of shape (n_pairs, n_components)
        The two ends. Paths of other pairs do not pass them.
    n_steps : int
        Number of points, at least 2.
    through : ndarray of shape (n_codes, n_components)
        The codes.

    Returns
    -------
    ndarray of shape (n_pairs, n_steps, n_components)

    References
    ----------
    .. [1] Groisman, Jonckheere & Sapienza, "Nonhomogeneous Euclidean first-passage
       percolation and distance learning", Bernoulli 28 (1), 2022.
       :arxiv:`1810.09398`
    """
    from sklearn.neighbors import NearestNeighbors

    dtype = start.dtype
    # Squares neither overflow nor vanish near 1; division by a power of 2 is exact.
    unit = 2.0 ** (np.frexp(np.abs(through).max())[1] - 1)
    start, end, through = (x.astype(np.float64) / unit for x in (start, end, through))
    search = NearestNeighbors().fit(through)
    graph = _bridged(_neighbors(search, through), search, through)
    found = []
    for first in range(0, len(start), _N_PAIRS):
        pairs = slice(first, first + _N_PAIRS)
        ways = _ways(graph, search, through, start[pairs], end[pairs])
        found += [_in_equal_steps(way, n_steps) for way in ways]
    return (unit * np.stack(found)).astype(dtype, copy=False)


def _neighbors(search: Any, codes: np.ndarray) -> Any:
    """Return the graph of nearest codes, with squared distances, in both directions."""
    n_neighbors = min(_N_NEIGHBORS, len(codes) - 1)
    graph = search.kneighbors_graph(n_neighbors=n_neighbors, mode="distance")
    graph.data = np.maximum(graph.data**2, _TINY)
    return graph.maximum(graph.T).tocsr()


def _bridged(graph: Any, search: Any, codes: np.ndarray) -> Any:
    """Join the separate parts of a graph, each to those next to it."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    while True:
        n_parts, part_of = connected_components(graph, directed=False)
        if n_parts == 1:
            return graph
        largest = np.bincount(part_of).argmax()
        edges = {}
        for part in set(range(n_parts)) - {largest}:
            for a, b, square in _bridges(part, part_of, search, codes):
                edges[a, b] = edges[b, a] = square  # two parts may have the same
        places = np.array(list(edges)).T
        bridges = coo_array((list(edges.values()), tuple(places)), shape=graph.shape)
        graph = graph.maximum(bridges.tocsr()).tocsr()


def _bridges(
    part: int, part_of: np.ndarray, search: Any, codes: np.ndarray
) -> list[tuple[int, int, float]]:
    """Return the shortest edges of a part to others, at most one to each of two."""
    from sklearn.neighbors import NearestNeighbors

    members = np.flatnonzero(part_of == part)
    if len(members) < _LARGE:  # more neighbours than there are members
        n_neighbors = min(2 * len(members) + _N_OUTSIDE, len(codes))
        distances, found = search.kneighbors(codes[members], n_neighbors)
    else:
        others = np.flatnonzero(part_of != part)
        search = NearestNeighbors().fit(codes[others])
        n_neighbors = min(_N_OUTSIDE, len(others))
        distances, found = search.kneighbors(codes[members], n_neighbors)
        found = others[found]
    order = distances.argsort(axis=None, kind="stable")
    outside, first = np.unique(part_of[found.ravel()[order]], return_index=True)
    nearest = np.sort(first[outside != part])[:_N_BRIDGES]
    places = order[nearest]
    inside = np.repeat(members, n_neighbors)
    squares = np.maximum(distances.ravel()[places] ** 2, _TINY)
    ends = inside[places].tolist(), found.ravel()[places].tolist()
    return list(zip(*ends, squares.tolist(), strict=True))


def _ways(
    graph: Any, search: Any, codes: np.ndarray, start: np.ndarray, end: np.ndarray
) -> list[np.ndarray]:
    """Return the codes that the shortest path of each pair passes, ends included.

    Starts have edges that only leave them, and ends edges that only lead to them.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra

    n_codes, n_pairs = len(codes), len(start)
    n_neighbors = min(_N_NEIGHBORS, n_codes)
    leave, arrive = (
        search.kneighbors_graph(x, n_neighbors, mode="distance") for x in (start, end)
    )
    leap = np.linalg.norm(end - start, axis=1)
    # A pair that is nearer than its neighbours needs no way through others.
    reach = np.maximum(*(x.max(axis=1).toarray().ravel() for x in (leave, arrive)))
    for edges in (leave, arrive):
        edges.data = np.maximum(edges.data**2, _TINY)
    n_nodes = n_codes + 2 * n_pairs
    blocks = (graph, 0, 0), (leave, n_codes, 0), (arrive.T, 0, n_codes + n_pairs)
    found = [(x.tocoo(), down, right) for x, down, right in blocks]
    places = (
        np.concatenate([x.row + down for x, down, _ in found]),
        np.concatenate([x.col + right for x, _, right in found]),
    )
    squares = np.concatenate([x.data for x, _, _ in found])
    whole = csr_array((squares, places), shape=(n_nodes, n_nodes))
    starts = n_codes + np.arange(n_pairs)
    lengths, before = dijkstra(whole, indices=starts, return_predecessors=True)
    ways = []
    for i in range(n_pairs):
        place = n_codes + n_pairs + i
        if leap[i] <= reach[i] and leap[i] ** 2 <= lengths[i, place]:
            ways.append(np.stack([start[i], end[i]]))
            continue
        passed = []
        while (place := before[i, place]) < n_codes:
            passed.append(codes[place])
        ways.append(np.stack([start[i], *passed[::-1], end[i]]))
    return ways


def _in_equal_steps(way: np.ndarray, n_steps: int) -> np.ndarray:
    """Return points at equal distances on the lines between codes."""
    edges = np.linalg.norm(np.diff(way, axis=0), axis=1)
    passed = np.r_[0, edges.cumsum()]
    places = np.linspace(0, passed[-1], n_steps)
    return np.stack([np.interp(places, passed, unit) for unit in way.T], axis=1)
