"""The statements of Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv 2305.05465, one study each.

Every study sums up to verdicts (`verdict`): what the paper says, what was measured, and in how many draws it held.
"""
