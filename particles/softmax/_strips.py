"""Products of packed strips, C += A B or C = A B: a strip of C stays in the registers while the inner index runs.

A strip of A has few rows, one of B few packs of columns; both are packed by the inner index, A[k, r] at k rows + r and
B[k, l] at k packs LANES + l. So every number is read in the order it lies in, and rows can be split without waste.
"""

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from particles.softmax import _registers as reg
from particles.softmax._registers import LANES, WIDE

PACKS = 3
LOW, MIDDLE, HIGH = (6, 8, 9) if WIDE else (3, 4, 4)  # the heights of strips: HIGH * PACKS sums fit the registers


@intrinsic(prefer_literal=True)
def strip(context, fresh, rows, packs, A, a, B, b, depth, C, c):
    """C[c + r packs LANES + l] = or += sum_k A[a + k rows + r] B[b + k packs LANES + l]; flat; literal sizes."""
    if not all(isinstance(x, types.Literal) for x in (fresh, rows, packs)):
        raise ValueError("`fresh`, `rows` and `packs` must be literals")
    height, width = rows.literal_value, packs.literal_value

    def emit(context, builder, signature, arguments):
        _, _, _, _, a, _, b, depth, _, c = arguments
        A, B, C = (
            builder.gep(reg.data(context, builder, signature.args[i], arguments[i]), [at])
            for i, at in ((3, a), (5, b), (8, c))
        )
        zero, one = (ir.Constant(reg.INT, x) for x in (0, 1))
        places = [ir.Constant(reg.INT, at * LANES) for at in range(height * width)]
        before = [reg.constant(0.0) if fresh.literal_value else reg.load(builder, C, at) for at in places]
        entry, loop, done = builder.block, builder.append_basic_block("inner"), builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        k, left, right = (builder.phi(reg.INT) for _ in range(3))
        sums = [builder.phi(reg.DOUBLES) for _ in before]
        line = [reg.load(builder, B, reg.later(builder, right, u)) for u in range(width)]
        after = []
        for r in range(height):
            factor = builder.load(builder.gep(A, [builder.add(left, ir.Constant(reg.INT, r))]))
            factor = reg.splat(builder, factor)
            after += [reg.fma(builder, factor, line[u], sums[r * width + u]) for u in range(width)]
        following = [
            builder.add(k, one),
            builder.add(left, ir.Constant(reg.INT, height)),
            builder.add(right, ir.Constant(reg.INT, width * LANES)),
        ]
        for phi, first, later in zip(
            [k, left, right, *sums], [zero, zero, zero, *before], [*following, *after], strict=True
        ):
            phi.add_incoming(first, entry)
            phi.add_incoming(later, loop)
        builder.cbranch(builder.icmp_signed("<", following[0], depth), loop, done)
        builder.position_at_end(done)
        for at, value in zip(places, after, strict=True):
            builder.store(value, reg.pointer(builder, C, at)).align = 8
        return context.get_dummy_value()

    index = types.intp
    return types.void(fresh, rows, packs, A, index, B, index, index, C, index), emit


@njit(nogil=True, cache=True)
def height(rows):
    """Return how high the next strip is where so many rows are left; it may be higher than they."""
    over = rows % MIDDLE
    if over == 0 or LOW < rows < MIDDLE:
        return MIDDLE
    return HIGH if HIGH > MIDDLE and over <= rows // MIDDLE else LOW


@njit(nogil=True, cache=True)
def heights(rows):
    """Return the height of all strips together."""
    total = 0
    while total < rows:
        total += height(rows - total)
    return total


@intrinsic
def higher(context, tops, s):
    """Return the larger of tops[t] and s[t], lane by lane; where either is NaN, s[t]."""

    def emit(context, builder, signature, arguments):
        pairs = zip(*(cgutils.unpack_tuple(builder, x) for x in arguments), strict=True)
        packs = [builder.select(builder.fcmp_ordered(">", top, x), top, x) for top, x in pairs]
        return context.make_tuple(builder, signature.return_type, packs)

    return tops(tops, s), emit


@intrinsic
def set_apart(context, lines, at, centre, c, weight, away, carried):
    """Write a pack of lines[at:] less that of centre[c:] to away[at:], and weight times the difference to carried."""

    def emit(context, builder, signature, arguments):
        _, at, _, c, weight, _, _ = arguments
        lines, centre, away, carried = (
            reg.data(context, builder, signature.args[i], arguments[i]) for i in (0, 2, 5, 6)
        )
        apart = builder.fsub(reg.load(builder, lines, at), reg.load(builder, centre, c))
        builder.store(apart, reg.pointer(builder, away, at)).align = 8
        weighted = builder.fmul(apart, reg.splat(builder, weight))
        builder.store(weighted, reg.pointer(builder, carried, at)).align = 8
        return context.get_dummy_value()

    index = types.intp
    return types.void(lines, index, centre, index, types.float64, away, carried), emit
