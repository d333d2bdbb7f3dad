"""Keeping some lanes: vector operations for loops that copy what passes a test, one piece after another.

Tuples of packs are as in `_simd`: what belongs to one array or coordinate stands together, STRIDES packs of atoms.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from particles.softmax import _registers as reg
from particles.softmax._registers import LANES, pack
from particles.softmax._simd import STRIDES

_BITS = ir.IntType(LANES)


@intrinsic
def apart(context, keys, origin, j):
    """Return keys[k][j:] - origin[k], keys slowest, for STRIDES packs of atoms from j on."""

    def emit(context, builder, signature, arguments):
        origin = cgutils.unpack_tuple(builder, arguments[1])
        packs = []
        for data, away in zip(
            reg.rows(context, builder, signature.args[0], arguments[0], len(signature.args[0])), origin, strict=True
        ):
            for u in range(STRIDES):
                index = builder.add(arguments[2], ir.Constant(reg.INT, LANES * u))
                packs.append(builder.fsub(reg.load(builder, data, index), away))
        return context.make_tuple(builder, signature.return_type, packs)

    return types.UniTuple(pack, len(keys) * STRIDES)(keys, origin, types.intp), emit


@intrinsic
def reached(context, s, halves, distances):
    """Return s[u] + sum_k halves[k] |distances[k, u]|."""

    def emit(context, builder, signature, arguments):
        s, halves, distances = (cgutils.unpack_tuple(builder, x) for x in arguments)
        for k, half in enumerate(halves):
            for u in range(len(s)):
                size = reg.call(builder, f"llvm.fabs.v{LANES}f64", reg.DOUBLES, [distances[k * len(s) + u]])
                s[u] = reg.fma(builder, half, size, s[u])
        return context.make_tuple(builder, signature.return_type, s)

    return s(s, halves, distances), emit


@intrinsic
def sifted(context, arrays, at, tests, cut, packs):
    """Write to arrays[t][at:] the lanes of packs[t] whose test exceeds the cut; return where to go on.

    Up to LANES entries behind the last are overwritten.
    """

    def emit(context, builder, signature, arguments):
        arrays = reg.rows(context, builder, signature.args[0], arguments[0], len(signature.args[0]))
        tests, cut, packs = (cgutils.unpack_tuple(builder, arguments[i]) for i in (2, 3, 4))
        at = arguments[1]
        for u, test in enumerate(tests):
            mask = builder.fcmp_ordered(">", test, cut[0])
            for t, array in enumerate(arrays):
                operands = [packs[t * len(tests) + u], mask, ir.Constant(reg.DOUBLES, ir.Undefined)]
                squeezed = reg.call(builder, f"llvm.experimental.vector.compress.v{LANES}f64", reg.DOUBLES, operands)
                builder.store(squeezed, reg.pointer(builder, array, at)).align = 8
            kept = reg.call(builder, f"llvm.ctpop.i{LANES}", _BITS, [builder.bitcast(mask, _BITS)])
            at = builder.add(at, builder.zext(kept, reg.INT))
        return at

    return types.intp(arrays, types.intp, tests, cut, packs), emit


@intrinsic
def below_cuts(context, sums, powers, tests, start, offsets):
    """Return sums[i] + the powers whose test is at most start + offsets[i], lane by lane."""

    def emit(context, builder, signature, arguments):
        sums, powers, tests, offsets = (cgutils.unpack_tuple(builder, arguments[i]) for i in (0, 1, 2, 4))
        zero = reg.constant(0.0)
        for i, offset in enumerate(offsets):
            cut = reg.splat(builder, builder.fadd(arguments[3], offset))
            for power, test in zip(powers, tests, strict=True):
                kept = builder.select(builder.fcmp_ordered("<=", test, cut), power, zero)
                sums[i] = builder.fadd(sums[i], kept)
        return context.make_tuple(builder, signature.return_type, sums)

    return sums(sums, powers, tests, types.float64, offsets), emit
