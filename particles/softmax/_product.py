"""Products of matrices that fit the second cache, on one thread: C = A B by tiles of C that stay in the registers.

A library's product starts threads of its own, which wait by spinning and change the bits with their number. Here rows
are handed out by the caller, and each entry of C is summed in the order of the inner index.
"""

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from particles.softmax import _registers as reg
from particles.softmax._registers import LANES, WIDE

ROWS = 8 if WIDE else 4
PACKS = 3  # with ROWS * PACKS running sums the registers still hold a row of B
TILE = PACKS * LANES
DEPTH = 128  # inner indices at a time: their share of B stays in the first cache

_ZERO = reg.constant(0.0)


def _row_offsets(builder, start, stride, count):
    """Return start + r stride for r < ROWS, with r held below count: the last row is done again, to no harm."""
    last = builder.sub(count, ir.Constant(reg.INT, 1))
    rows = [ir.Constant(reg.INT, r) for r in range(ROWS)]
    held = [builder.select(builder.icmp_signed("<", r, last), r, last) for r in rows]
    return [builder.add(start, builder.mul(r, stride)) for r in held]


@intrinsic(prefer_literal=True)
def _tile(context, width, fresh, A, a, a_stride, B, b, b_stride, C, c, c_stride, count, depth):
    """C[c + r c_stride + l] = or += sum_k A[a + r a_stride + k] B[b + k b_stride + l], r < count, l < LANES * width.

    The arrays are flat; `width` is a literal number of packs.
    """
    if not isinstance(width, types.IntegerLiteral):
        raise ValueError("`width` must be a literal")
    packs = width.literal_value

    def emit(context, builder, signature, arguments):
        _, fresh, _, a, a_stride, _, b, b_stride, _, c, c_stride, count, depth = arguments
        A, B, C = (reg.data(context, builder, signature.args[i], arguments[i]) for i in (2, 5, 8))
        left, out = (_row_offsets(builder, *x, count) for x in ((a, a_stride), (c, c_stride)))
        before = [
            builder.select(fresh, _ZERO, reg.load(builder, C, reg.later(builder, row, u)))
            for row in out
            for u in range(packs)
        ]
        entry, loop, done = builder.block, builder.append_basic_block("inner"), builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        k, at = builder.phi(reg.INT), builder.phi(reg.INT)
        sums = [builder.phi(reg.DOUBLES) for _ in before]
        row = [reg.load(builder, B, reg.later(builder, at, u)) for u in range(packs)]
        after = []
        for r, offset in enumerate(left):
            factor = reg.splat(builder, builder.load(builder.gep(A, [builder.add(offset, k)])))
            after += [reg.fma(builder, factor, row[u], sums[r * packs + u]) for u in range(packs)]
        next_k, next_at = builder.add(k, ir.Constant(reg.INT, 1)), builder.add(at, b_stride)
        changing = zip([k, at, *sums], [ir.Constant(reg.INT, 0), b, *before], [next_k, next_at, *after], strict=True)
        for phi, first, later in changing:
            phi.add_incoming(first, entry)
            phi.add_incoming(later, loop)
        builder.cbranch(builder.icmp_signed("<", next_k, depth), loop, done)
        builder.position_at_end(done)
        for r, offset in enumerate(out):
            for u in range(packs):
                builder.store(after[r * packs + u], reg.pointer(builder, C, reg.later(builder, offset, u))).align = 8
        return context.get_dummy_value()

    index = types.intp
    arguments = (width, types.boolean, A, index, index, B, index, index, C, index, index, index, index)
    return types.void(*arguments), emit


@njit(nogil=True, cache=True)
def product(A, a, a_stride, B, b, C, c, c_stride, c_panel, rows, depth, columns):
    """C[i, j] = sum_k A[i, k] B[k, j] for i < rows, j < columns, k < depth; the arrays are flat.

    A[i, k] stands at a + i a_stride + k. B and C are kept in panels of TILE columns, filled up: B[k, j] at
    b + (j // TILE) depth TILE + k TILE + j % TILE, C[i, j] at c + (j // TILE) c_panel + i c_stride + j % TILE.
    """
    for start in range(0, depth, DEPTH):
        inner = min(DEPTH, depth - start)
        fresh = start == 0
        for panel in range(-(-columns // TILE)):
            left = columns - panel * TILE
            right = b + (panel * depth + start) * TILE
            for i in range(0, rows, ROWS):
                at, out, count = a + i * a_stride + start, c + panel * c_panel + i * c_stride, rows - i
                if left > 2 * LANES:
                    _tile(3, fresh, A, at, a_stride, B, right, TILE, C, out, c_stride, count, inner)
                elif left > LANES:
                    _tile(2, fresh, A, at, a_stride, B, right, TILE, C, out, c_stride, count, inner)
                else:
                    _tile(1, fresh, A, at, a_stride, B, right, TILE, C, out, c_stride, count, inner)
