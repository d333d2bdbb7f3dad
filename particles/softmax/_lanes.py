"""Tuples of vector registers over flat arrays: load, store, and the rank-one update that all tensor products share.

Each function takes a tuple of packs (see `_simd`), or a tuple of offsets into a flat array, one for each pack.
"""

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from particles.softmax import _registers as reg
from particles.softmax._registers import pack


@intrinsic
def load(context, array, offsets):
    """Return the packs array[offset : offset + LANES]."""

    def emit(context, builder, signature, arguments):
        data = reg.data(context, builder, signature.args[0], arguments[0])
        packs = [reg.load(builder, data, offset) for offset in cgutils.unpack_tuple(builder, arguments[1])]
        return context.make_tuple(builder, signature.return_type, packs)

    return types.UniTuple(pack, len(offsets))(array, offsets), emit


@intrinsic
def store(context, array, offsets, packs):
    """Write array[offset : offset + LANES] = pack."""

    def emit(context, builder, signature, arguments):
        data = reg.data(context, builder, signature.args[0], arguments[0])
        offsets, packs = (cgutils.unpack_tuple(builder, x) for x in arguments[1:])
        for offset, value in zip(offsets, packs, strict=True):
            written = builder.store(value, reg.pointer(builder, data, offset))
            written.align = 8
        return context.get_dummy_value()

    return types.void(array, offsets, packs), emit


@intrinsic
def constant(context, value, like):
    """Return packs filled with a scalar, as many as `like` has entries."""

    def emit(context, builder, signature, arguments):
        one = reg.splat(builder, arguments[0])
        return context.make_tuple(builder, signature.return_type, [one] * len(like))

    return types.UniTuple(pack, len(like))(types.float64, like), emit


@intrinsic
def fma(context, x, y, z):
    """Return x y + z."""

    def emit(context, builder, signature, arguments):
        parts = [cgutils.unpack_tuple(builder, argument) for argument in arguments]
        packs = [reg.fma(builder, *items) for items in zip(*parts, strict=True)]
        return context.make_tuple(builder, signature.return_type, packs)

    return x(x, y, z), emit


@intrinsic
def negated(context, x):
    """Return -x."""

    def emit(context, builder, signature, arguments):
        packs = [builder.fneg(item) for item in cgutils.unpack_tuple(builder, arguments[0])]
        return context.make_tuple(builder, signature.return_type, packs)

    return x(x), emit


@intrinsic
def outer(context, sums, left, rows, right, columns):
    """Return sums[i, j] + left[rows[i]] right[columns[j] : columns[j] + LANES], i slowest."""

    def emit(context, builder, signature, arguments):
        sums, rows, columns = (cgutils.unpack_tuple(builder, arguments[k]) for k in (0, 2, 4))
        left = reg.data(context, builder, signature.args[1], arguments[1])
        right = reg.data(context, builder, signature.args[3], arguments[3])
        packs = [reg.load(builder, right, column) for column in columns]
        for i, row in enumerate(rows):
            scalar = reg.splat(builder, builder.load(builder.gep(left, [row])))
            for j, item in enumerate(packs):
                sums[i * len(packs) + j] = reg.fma(builder, scalar, item, sums[i * len(packs) + j])
        return context.make_tuple(builder, signature.return_type, sums)

    return sums(sums, left, rows, right, columns), emit
