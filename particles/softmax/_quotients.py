"""Means from sums, a register at a time: quotients, and the coordinates of a target side by side."""

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from particles.softmax import _registers as reg
from particles.softmax._registers import LANES, pack

_INT32 = ir.IntType(32)


def _interleaved(builder, packs):
    """Return packs with the first lanes of all, then the second, and so on."""
    d = len(packs)
    parts = []
    for u in range(d):  # lane l of part u is lane (u LANES + l) // d of pack (u LANES + l) % d
        part = packs[0]
        for c in range(d):
            at = [u * LANES + lane for lane in range(LANES)]
            choice = [LANES + i // d if i % d == c else lane for lane, i in enumerate(at)]
            mask = ir.Constant(ir.VectorType(_INT32, LANES), choice)
            part = builder.shuffle_vector(part, packs[c], mask)
        parts.append(part)
    return parts


@intrinsic
def _pack_of_means(context, sums, at, channel, offsets, last, q, means, out):
    """Write the means of LANES targets to means[out:], side by side; return their sums and the inverses.

    The sums weighted with coordinate k, k = 0, ..., d - 1, begin (d - k) channels after the sums themselves; offsets
    for the first d - 1 coordinates, `last[q:]` for the last are added.
    """

    def emit(context, builder, signature, arguments):
        _, at, channel, offsets, _, q, _, out = arguments
        sums, last, means = (reg.data(context, builder, signature.args[i], arguments[i]) for i in (0, 4, 6))
        added = [reg.splat(builder, x) for x in cgutils.unpack_tuple(builder, offsets)] + [reg.load(builder, last, q)]
        d = len(added)
        total = reg.load(builder, sums, at)
        inverse = builder.fdiv(reg.constant(1.0), total)
        coordinates = []
        for k, offset in enumerate(added):
            there = builder.add(at, builder.mul(channel, ir.Constant(reg.INT, d - k)))
            coordinates.append(builder.fadd(offset, builder.fmul(reg.load(builder, sums, there), inverse)))
        for u, part in enumerate(_interleaved(builder, coordinates)):
            builder.store(part, reg.pointer(builder, means, reg.later(builder, out, u))).align = 8
        return total

    index = types.intp
    return pack(sums, index, index, offsets, last, index, means, index), emit


@intrinsic
def _least(context, least, total):
    """Return the least of a number and a pack, NaN if any is NaN."""

    def emit(context, builder, signature, arguments):
        def call(name, result, *operands):
            form = ir.FunctionType(result, [x.type for x in operands])
            return builder.call(cgutils.get_or_insert_function(builder.module, form, name), operands)

        lowest = call(f"llvm.vector.reduce.fminimum.v{LANES}f64", reg.DOUBLE, arguments[1])
        return call("llvm.minimum.f64", reg.DOUBLE, arguments[0], lowest)

    return types.float64(types.float64, pack), emit


@intrinsic
def front(context, offsets, i, line):
    """Return offsets[0][i], and offsets[1][line] if there is a third coordinate."""

    def emit(context, builder, signature, arguments):
        arrays = cgutils.unpack_tuple(builder, arguments[0])
        starts = [reg.data(context, builder, signature.args[0].dtype, array) for array in arrays[:-1]]
        scalars = [builder.load(builder.gep(x, [at])) for x, at in zip(starts, arguments[1:], strict=False)]
        return context.make_tuple(builder, signature.return_type, scalars)

    return types.UniTuple(types.float64, len(offsets) - 1)(offsets, types.intp, types.intp), emit


@njit(nogil=True, cache=True)
def line_of_means(sums, at, channel, count, offsets, last, q, means, out, spare, least):
    """Write the means of `count` targets side by side to means[out:], which is flat; return the least sum so far.

    `sums` and `last` are read, in whole registers, up to LANES - 1 places beyond the end.
    """
    d = len(offsets) + 1
    whole = count // LANES * LANES
    for j in range(0, whole, LANES):
        total = _pack_of_means(sums, at + j, channel, offsets, last, q + j, means, out + j * d)
        least = _least(least, total)
    if whole < count:
        _pack_of_means(sums, at + whole, channel, offsets, last, q + whole, spare, 0)
        for i in range((count - whole) * d):
            means[out + whole * d + i] = spare[i]
        for j in range(whole, count):
            least = sums[at + j] if not sums[at + j] >= least else least
    return least
