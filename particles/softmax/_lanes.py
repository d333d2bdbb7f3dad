"""Tuples of vector registers over flat arrays: load, store, and the rank-one update that all tensor products share.

Each function takes a tuple of packs (see `_simd`), or a tuple of offsets into a flat array, one for each pack.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from particles.softmax import _registers as reg
from particles.softmax._registers import LANES, pack


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


@intrinsic
def add(context, x, y):
    """Return x + y."""

    def emit(context, builder, signature, arguments):
        parts = [cgutils.unpack_tuple(builder, argument) for argument in arguments]
        packs = [builder.fadd(*items) for items in zip(*parts, strict=True)]
        return context.make_tuple(builder, signature.return_type, packs)

    return x(x, y), emit


@intrinsic
def chebyshev(context, before, now, twice):
    """Return before, now and what follows by x_{r+1} = twice x_r - x_{r-1}: LANES + 2 packs."""

    def emit(context, builder, signature, arguments):
        packs = [cgutils.unpack_tuple(builder, x)[0] for x in arguments[:2]]
        twice = cgutils.unpack_tuple(builder, arguments[2])[0]
        while len(packs) < LANES + 2:
            packs.append(reg.fma(builder, twice, packs[-1], builder.fneg(packs[-2])))
        return context.make_tuple(builder, signature.return_type, packs)

    return reg.packs(LANES + 2)(before, now, twice), emit


def _transpose(builder, rows):
    """Return LANES packs whose lanes are exchanged with their places."""
    rows, width = list(rows), 1
    while width < LANES:  # exchange blocks of `width` between rows that lie `width` apart
        low = [i + (LANES - width if i & width else 0) for i in range(LANES)]
        masks = [ir.Constant(ir.VectorType(ir.IntType(32), LANES), [i + shift for i in low]) for shift in (0, width)]
        for i in range(LANES):
            if not i & width:
                pair = rows[i], rows[i + width]
                rows[i], rows[i + width] = (builder.shuffle_vector(*pair, mask) for mask in masks)
        width *= 2
    return rows


@intrinsic
def turned(context, packs):
    """Return the transpose of the first LANES packs: pack l holds their lanes l."""

    def emit(context, builder, signature, arguments):
        rows = _transpose(builder, cgutils.unpack_tuple(builder, arguments[0])[:LANES])
        return context.make_tuple(builder, signature.return_type, rows)

    return reg.packs(LANES)(packs), emit


@intrinsic
def transposed(context, source, at, stride, target, to, width):
    """Write target[to + j width + i] = source[at + i stride + j], i, j < LANES."""

    def emit(context, builder, signature, arguments):
        given, taken = (reg.data(context, builder, signature.args[k], arguments[k]) for k in (0, 3))

        def places(start, step):
            return [builder.add(start, builder.mul(step, ir.Constant(reg.INT, i))) for i in range(LANES)]

        rows = [reg.load(builder, given, place) for place in places(*arguments[1:3])]
        for place, row in zip(places(*arguments[4:6]), _transpose(builder, rows), strict=True):
            builder.store(row, reg.pointer(builder, taken, place)).align = 8
        return context.get_dummy_value()

    index = types.intp
    return types.void(source, index, index, target, index, index), emit


def _starts(context, builder, kind, array, i, offset):
    """Return starts[i + l] + offset for each lane l."""
    row = reg.data(context, builder, kind, array)
    places = [builder.add(i, ir.Constant(reg.INT, lane)) for lane in range(LANES)]
    return [builder.add(builder.load(builder.gep(row, [place])), offset) for place in places]


@intrinsic
def added_at(context, array, starts, i, offset, packs):
    """Add packs[l] to array[starts[i + l] + offset :], one lane l after the other."""

    def emit(context, builder, signature, arguments):
        data = reg.data(context, builder, signature.args[0], arguments[0])
        places = _starts(context, builder, signature.args[1], *arguments[1:4])
        for place, value in zip(places, cgutils.unpack_tuple(builder, arguments[4]), strict=True):
            sum_ = builder.fadd(reg.load(builder, data, place), value)
            builder.store(sum_, reg.pointer(builder, data, place)).align = 8
        return context.get_dummy_value()

    return types.void(array, starts, types.intp, types.intp, packs), emit


@intrinsic
def picked_at(context, array, starts, at, offset):
    """Return packs of array[starts[i + l] + offset] in lane l, one for each i in `at`."""

    def emit(context, builder, signature, arguments):
        data = reg.data(context, builder, signature.args[0], arguments[0])
        packs = []
        for i in cgutils.unpack_tuple(builder, arguments[2]):
            packed = ir.Constant(reg.DOUBLES, ir.Undefined)
            for lane, place in enumerate(_starts(context, builder, signature.args[1], arguments[1], i, arguments[3])):
                value = builder.load(builder.gep(data, [place]))
                packed = builder.insert_element(packed, value, ir.Constant(ir.IntType(32), lane))
            packs.append(packed)
        return context.make_tuple(builder, signature.return_type, packs)

    return reg.packs(len(at))(array, starts, at, types.intp), emit
