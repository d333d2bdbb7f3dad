"""Convex hulls of few points, the set S of possible limits (Theorem 8.1), clusters and rank.

Hull            vertices, facets, faces and exact distances of conv{p_1, ..., p_n}, flat or not
limit_points    S = {w in K: |Aw|² = max_j <Aw, Av_j>}, face by face
clusters        which points lie together; `distinct` is one of each
numerical_rank  the rank as numpy counts it
"""

from particles.geometry.clusters import clusters, distinct, numerical_rank
from particles.geometry.hull import Hull
from particles.geometry.limits import LimitPoints, limit_points

__all__ = ["Hull", "LimitPoints", "clusters", "distinct", "limit_points", "numerical_rank"]
