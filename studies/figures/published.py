"""The figures as published: depths of their panels, and value matrices from the authors' public scripts.

The seeds were never published: tokens are drawn from our own, and every figure prints it.
"""

from __future__ import annotations

BOX = 5.0  # tokens are uniform on [-5, 5]^d

# Depths of the panels.
TIMES = {
    3: [0.0, 3.0, 5.0, 10.0],
    5: [0.0, 1.0, 2.0, 5.0],
    6: [0.0, 1.0, 5.0, 15.0],
    7: [0.0, 5.0, 10.0, 15.0],
    8: [0.0, 5.0, 10.0, 15.0],
    10: [0.0, 3.0, 5.0, 10.0],
    12: [0.0, 5.0, 40.0],
    13: [0.0, 5.0, 10.0, 30.0, 35.0, 40.0],
}

FIG_6 = [[0.64709742, 0.81911926], [0.61210449, 0.63263484]]
FIG_7 = [
    [0.92761287, 0.94333073, 0.3827744],
    [0.94333073, 0.59991396, 0.47825472],
    [0.3827744, 0.47825472, 0.46668605],
]
FIG_8 = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -0.5]]
FIG_12 = [
    [0.18608476, 0.34391026, 0.13905949],
    [0.35244288, 0.6694859, 0.39992145],
    [0.46685606, 0.17094454, 0.42092308],
]
FIG_13 = [
    [0.2362413, 0.0599536, 0.40506019],
    [0.81321448, 0.49948705, 0.33754772],
    [0.2160645, 0.38505272, 0.14588075],
]
IDENTITY = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]

# Ranks in the titles of the published panels; their seeds, and their way to step, were others.
RANKS_3 = [11, 23, 14, 2]
RANKS_10 = [11, 27, 15, 3]
RANKS_11 = {10: [40, 40, 2, 2], 40: [40, 7, 2, 2], 80: [40, 4, 2, 2]}
