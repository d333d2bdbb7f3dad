"""Vector registers inside compiled functions: packs of doubles, and tuples of packs.

LLVM's own vectoriser stops at half the register width on many machines and orders the operations so that they wait
for each other. Here a `pack` is one register of LANES doubles, and every function below takes a tuple of packs and
emits each operation for all of them before the next operation: the chains run side by side and hide each other's
latency. What a tuple means is the caller's business; the kernels take a few targets and STRIDES packs of atoms.

2^s = 2^(i/16) 2^f, i = round(16 s): the factor 2^(i/16) comes from a table of sixteen held in two registers, 2^f from a
polynomial of degree 6 on |f| <= 1/32 (error 7e-18). Machines without such a register permutation use i = round(s) and
degree 11 (3e-18), as `_exp.exp2` does.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from particles.softmax import _registers as reg
from particles.softmax._exp import EVEN, ODD, ROUND
from particles.softmax._registers import LANES, WIDE, pack

__all__ = ["LANES", "STEP", "STRIDES", "WIDE", "pack"]

STRIDES = 2  # packs of consecutive atoms handled together
STEP = LANES * STRIDES  # atoms are padded to a multiple of this
FLOOR = -960.0  # of exponents far below those that count

_SHORT = (  # 2^f on |f| <= 1/32, interpolated at Chebyshev's nodes, lowest power first
    1.0,
    0.6931471805599468,
    0.24022650695910086,
    0.05550410865209357,
    0.009618129106525682,
    0.001333381881538924,
    0.0001540375624545771,
)


def _strides(builder, rows, index):
    """Return, for each of the STRIDES packs of atoms from `index` on, the packs of all rows."""
    starts = [builder.add(index, ir.Constant(reg.INT, LANES * u)) for u in range(STRIDES)]
    return [[reg.load(builder, row, start) for row in rows] for start in starts]


def _each(function, *tuples):
    return [function(*items) for items in zip(*tuples, strict=True)]


def _abreast(builder, packs):
    """Keep LLVM from moving operations across this point: the chains go on abreast, where the registers suffice."""
    if not WIDE or len(packs) == 1:
        return packs
    shape = ir.LiteralStructType([reg.DOUBLES] * len(packs))
    constraints = ",".join(["=v"] * len(packs) + [str(i) for i in range(len(packs))])
    kept = builder.asm(ir.FunctionType(shape, [reg.DOUBLES] * len(packs)), "", constraints, packs, True)
    return [builder.extract_value(kept, i) for i in range(len(packs))]


def _table():
    """Return the bit patterns of 2^(i/16), less the bits of i that the shifted index will bring along."""
    return [int(np.exp2(np.float64(i) / 16).view(np.int64)) - (i << 48) for i in range(16)]


def _exp2_by_table(builder, s):
    s = _abreast(builder, s)
    magic = reg.constant(ROUND / 16)
    halves = [builder.bitcast(ir.Constant(reg.INTS, part), reg.DOUBLES) for part in (_table()[:8], _table()[8:])]
    shifted = _each(lambda x: builder.fadd(x, magic), s)
    f = _each(lambda x: reg.remainder(builder, x, 4), s)
    bits = _each(lambda t: builder.bitcast(t, reg.INTS), shifted)
    name = "llvm.x86.avx512.vpermi2var.pd.512"
    entry = _each(
        lambda i: builder.bitcast(reg.call(builder, name, reg.DOUBLES, [halves[0], i, halves[1]]), reg.INTS), bits
    )
    scale = _each(
        lambda e, i: builder.bitcast(builder.add(e, builder.shl(i, reg.integers(48))), reg.DOUBLES), entry, bits
    )
    p = [reg.constant(_SHORT[-1])] * len(s)
    for c in _SHORT[-2::-1]:
        coefficient = reg.constant(c)
        p = _abreast(builder, [reg.fma(builder, x, y, coefficient) for x, y in zip(p, f, strict=True)])
    return _each(builder.fmul, p, scale)


def _exp2_by_polynomial(builder, s):
    magic = reg.constant(ROUND)
    shifted = _each(lambda x: builder.fadd(x, magic), s)
    f = _each(lambda x, t: builder.fsub(x, builder.fsub(t, magic)), s, shifted)
    g = _each(builder.fmul, f, f)
    odd, even = [reg.constant(ODD[0])] * len(s), [reg.constant(EVEN[0])] * len(s)
    for a, b in zip(ODD[1:], EVEN[1:], strict=True):
        a, b = reg.constant(a), reg.constant(b)
        odd = [reg.fma(builder, x, y, a) for x, y in zip(odd, g, strict=True)]
        even = [reg.fma(builder, x, y, b) for x, y in zip(even, g, strict=True)]
    p = [reg.fma(builder, o, x, e) for o, x, e in zip(odd, f, even, strict=True)]

    def scaled(x, t):
        power = builder.shl(builder.bitcast(t, reg.INTS), reg.integers(52))
        return builder.bitcast(builder.add(builder.bitcast(x, reg.INTS), power), reg.DOUBLES)

    return _each(scaled, p, shifted)


@intrinsic
def exp2(context, s):
    """Return 2^s of packs with |s| <= 1020; NaN stays NaN."""

    def emit(context, builder, signature, arguments):
        packs = cgutils.unpack_tuple(builder, arguments[0])
        form = _exp2_by_table if WIDE else _exp2_by_polynomial
        return context.make_tuple(builder, signature.return_type, form(builder, packs))

    return s(s), emit


@intrinsic
def below(context, s, tops):
    """Return s[t] - tops[t], as many packs for each target t as there are."""

    def emit(context, builder, signature, arguments):
        s, tops = (cgutils.unpack_tuple(builder, x) for x in arguments)
        width = len(s) // len(tops)
        packs = [builder.fsub(x, tops[at // width]) for at, x in enumerate(s)]
        return context.make_tuple(builder, signature.return_type, packs)

    return s(s, tops), emit


@intrinsic
def clamped(context, s):
    """Return max(s, FLOOR): no subnormal numbers, which cost 150 cycles each. NaN stays NaN."""

    def emit(context, builder, signature, arguments):
        least = reg.constant(FLOOR)

        def clamp(x):
            return builder.select(builder.fcmp_ordered("<", x, least), least, x)

        packs = _each(clamp, cgutils.unpack_tuple(builder, arguments[0]))
        return context.make_tuple(builder, signature.return_type, packs)

    return s(s), emit


@intrinsic
def spread(context, scalars):
    """Return packs that hold each of the given scalars in every lane."""

    def emit(context, builder, signature, arguments):
        packs = [reg.splat(builder, x) for x in cgutils.unpack_tuple(builder, arguments[0])]
        return context.make_tuple(builder, signature.return_type, packs)

    return reg.packs(len(scalars))(scalars), emit


@intrinsic
def zeros(context, rows, columns):
    """Return a pack of zeros for each pair of a row and a column."""

    def emit(context, builder, signature, arguments):
        return context.make_tuple(builder, signature.return_type, [reg.constant(0.0)] * len(signature.return_type))

    return reg.packs(len(rows) * len(columns))(rows, columns), emit


@intrinsic
def pairs(context, packs):
    """Return one pack of the tuple for each pair of indices q <= p: a tuple of that length."""

    def emit(context, builder, signature, arguments):
        first = cgutils.unpack_tuple(builder, arguments[0])[0]
        return context.make_tuple(builder, signature.return_type, [first] * len(signature.return_type))

    return reg.packs(len(packs) * (len(packs) + 1) // 2)(packs), emit


@intrinsic
def loaded(context, row, j, pattern):
    """Return as many packs of row[j:] as the pattern is long."""

    def emit(context, builder, signature, arguments):
        start = reg.data(context, builder, signature.args[0], arguments[0])
        at = [builder.add(arguments[1], ir.Constant(reg.INT, LANES * u)) for u in range(len(pattern))]
        packs = [reg.load(builder, start, index) for index in at]
        return context.make_tuple(builder, signature.return_type, packs)

    return reg.packs(len(pattern))(row, types.intp, pattern), emit


@intrinsic
def exponents(context, starts, directions, keys, j):
    """Return starts[t] + sum_k directions[t, k] keys[k, j:], targets t slowest, for STRIDES packs of atoms."""
    axes = len(directions) // len(starts)

    def emit(context, builder, signature, arguments):
        starts, directions = (cgutils.unpack_tuple(builder, x) for x in arguments[:2])
        atoms = _strides(builder, reg.rows(context, builder, signature.args[2], arguments[2], axes), arguments[3])
        s = [start for start in starts for _ in atoms]
        for k in range(axes):
            rows = [directions[t * axes + k] for t in range(len(starts)) for _ in atoms]
            along = [atom[k] for _ in starts for atom in atoms]
            s = [reg.fma(builder, a, y, x) for a, y, x in zip(rows, along, s, strict=True)]
        return context.make_tuple(builder, signature.return_type, s)

    return reg.packs(len(starts) * STRIDES)(starts, directions, keys, types.intp), emit


@intrinsic
def gathered(context, sums, powers, columns, j):
    """Return sums[t, c] + powers[t] columns[c][j:], lane by lane."""
    width = len(sums) * STRIDES // len(powers)

    def emit(context, builder, signature, arguments):
        sums, powers = (cgutils.unpack_tuple(builder, x) for x in arguments[:2])
        atoms = _strides(builder, reg.rows(context, builder, signature.args[2], arguments[2], width), arguments[3])
        for u, atom in enumerate(atoms):
            for at in range(len(sums)):
                power = powers[at // width * STRIDES + u]
                sums[at] = reg.fma(builder, power, atom[at % width], sums[at])
        return context.make_tuple(builder, signature.return_type, sums)

    return sums(sums, powers, columns, types.intp), emit


@intrinsic
def larger(context, tops, s):
    """Return the larger of tops[t] and all of s[t], lane by lane; NaN if any is NaN."""

    def emit(context, builder, signature, arguments):
        tops, s = (cgutils.unpack_tuple(builder, x) for x in arguments)
        width = len(s) // len(tops)
        for at, x in enumerate(s):
            tops[at // width] = reg.call(builder, f"llvm.maximum.v{LANES}f64", reg.DOUBLES, [tops[at // width], x])
        return context.make_tuple(builder, signature.return_type, tops)

    return tops(tops, s), emit


def _reduced(name, *start):
    """Return the emitter that reduces each pack to a scalar, in a fixed order."""

    def emit(context, builder, signature, arguments):
        def reduce(x):
            operands = [*(ir.Constant(reg.DOUBLE, value) for value in start), x]
            types_ = ir.FunctionType(reg.DOUBLE, [operand.type for operand in operands])
            function = cgutils.get_or_insert_function(builder.module, types_, f"{name}.v{LANES}f64")
            return builder.call(function, operands, fastmath=("reassoc",) if start else ())

        scalars = _each(reduce, cgutils.unpack_tuple(builder, arguments[0]))
        return context.make_tuple(builder, signature.return_type, scalars)

    return emit


@intrinsic
def totals(context, packs):
    """Return the sum of each pack's lanes."""
    return types.UniTuple(types.float64, len(packs))(packs), _reduced("llvm.vector.reduce.fadd", 0.0)


@intrinsic
def peaks(context, packs):
    """Return the largest of each pack's lanes, NaN if any is NaN."""
    return types.UniTuple(types.float64, len(packs))(packs), _reduced("llvm.vector.reduce.fmaximum")


def _entries(context, builder, signature, arguments):
    """Emit the entries [r, i] of as many rows of a table as are returned; table and i are the first arguments."""
    rows = reg.rows(context, builder, signature.args[0], arguments[0], len(signature.return_type))
    scalars = [builder.load(builder.gep(row, [arguments[1]])) for row in rows]
    return context.make_tuple(builder, signature.return_type, scalars)


@intrinsic
def taken(context, arrays, i):
    """Return (array[i] for array in arrays)."""
    return types.UniTuple(types.float64, len(arrays))(arrays, types.intp), _entries


@intrinsic
def column(context, table, i, like):
    """Return the entries table[r, i] of as many rows as `like` is long."""
    return types.UniTuple(types.float64, len(like))(table, types.intp, like), _entries


@intrinsic
def stored(context, arrays, j, packs):
    """Write to arrays[t][j:] the packs of row t, as many for each as there are; return j."""

    def emit(context, builder, signature, arguments):
        rows = reg.rows(context, builder, signature.args[0], arguments[0], len(signature.args[0]))
        packs = cgutils.unpack_tuple(builder, arguments[2])
        width = len(packs) // len(rows)
        for at, value in enumerate(packs):
            start = builder.add(arguments[1], ir.Constant(reg.INT, LANES * (at % width)))
            builder.store(value, reg.pointer(builder, rows[at // width], start)).align = 8
        return arguments[1]

    return types.intp(arrays, types.intp, packs), emit


@intrinsic
def spread_of(context, sums, powers, columns, means, values, j):
    """Return sums[p, q] + power (column_p - mean_p column_0) (value_q - mean_q), q <= p, for one target.

    The first column is the weight and column p the weighted value p.
    """

    def emit(context, builder, signature, arguments):
        sums, powers, means = (cgutils.unpack_tuple(builder, arguments[i]) for i in (0, 1, 3))
        rows = [reg.rows(context, builder, signature.args[i], arguments[i], len(means) + (i == 2)) for i in (2, 4)]
        weighted, plain = (_strides(builder, table, arguments[5]) for table in rows)
        for power, column, value in zip(powers, weighted, plain, strict=True):
            away = [builder.fsub(x, mean) for x, mean in zip(value, means, strict=True)]
            carried = [
                builder.fmul(power, builder.fsub(x, builder.fmul(mean, column[0])))
                for x, mean in zip(column[1:], means, strict=True)
            ]
            pairs = [(x, y) for p, x in enumerate(carried) for y in away[: p + 1]]
            sums = [reg.fma(builder, x, y, z) for (x, y), z in zip(pairs, sums, strict=True)]
        return context.make_tuple(builder, signature.return_type, sums)

    return sums(sums, powers, columns, means, values, types.intp), emit


@intrinsic
def returned(context, sums, powers, own, j):
    """Add powers[t] own[t, c], summed over the targets t, to sums[c, j:], a table; return j."""
    targets = len(powers) // STRIDES
    width = len(own) // targets

    def emit(context, builder, signature, arguments):
        powers, own = (cgutils.unpack_tuple(builder, x) for x in arguments[1:3])
        rows = reg.rows(context, builder, signature.args[0], arguments[0], width)
        for u in range(STRIDES):
            at = builder.add(arguments[3], ir.Constant(reg.INT, LANES * u))
            for c, row in enumerate(rows):
                total = reg.load(builder, row, at)
                for t in range(targets):
                    total = reg.fma(builder, powers[t * STRIDES + u], own[t * width + c], total)
                builder.store(total, reg.pointer(builder, row, at)).align = 8
        return arguments[3]

    return types.intp(sums, powers, own, types.intp), emit
