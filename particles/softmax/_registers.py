"""Vector registers in LLVM's terms: the type of a pack of doubles, and what emits the operations on it."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import models, register_model

_, _, _FEATURES = cpu_target.target_context.codegen().magic_tuple()
WIDE = {"+avx512f", "+avx512dq"} <= set(_FEATURES.split(","))
LANES = 8 if WIDE else 4

DOUBLE, INT = ir.DoubleType(), ir.IntType(64)
DOUBLES, INTS = ir.VectorType(DOUBLE, LANES), ir.VectorType(INT, LANES)


class Pack(types.Type):
    """The type of one register of LANES doubles."""

    def __init__(self) -> None:
        super().__init__(name=f"Pack({LANES})")


pack = Pack()


@register_model(Pack)
class _PackModel(models.PrimitiveModel):
    def __init__(self, manager, front_end_type):
        super().__init__(manager, front_end_type, DOUBLES)


def packs(count):
    return types.UniTuple(pack, count)


def constant(value):
    return ir.Constant(DOUBLES, [float(value)] * LANES)


def integers(value):
    return ir.Constant(INTS, [value] * LANES)


def call(builder, name, result, arguments):
    """Call an LLVM intrinsic by its full name."""
    signature = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, signature, name), arguments)


def fma(builder, x, y, z):
    return call(builder, f"llvm.fmuladd.v{LANES}f64", DOUBLES, [x, y, z])


def remainder(builder, x, bits):
    """Return x less its nearest multiple of 2^-bits, ties to even, exactly; of WIDE packs. NaN stays NaN."""
    byte, word = ir.IntType(8), ir.IntType(32)
    nearest, every, current = ir.Constant(word, bits << 4 | 8), ir.Constant(byte, -1), ir.Constant(word, 4)
    return call(builder, "llvm.x86.avx512.mask.reduce.pd.512", DOUBLES, [x, nearest, x, every, current])


def splat(builder, scalar):
    """Return a pack with the scalar in every lane."""
    nothing = ir.Constant(DOUBLES, ir.Undefined)
    first = builder.insert_element(nothing, scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


def data(context, builder, kind, array):
    """Return where the entries of an array start."""
    return context.make_array(kind)(context, builder, array).data


def rows(context, builder, kind, value, count):
    """Return where the first `count` rows of a table start: of an array (rows, n), or of a tuple of arrays (n,)."""
    if isinstance(kind, types.BaseTuple):
        return [data(context, builder, kind.dtype, array) for array in cgutils.unpack_tuple(builder, value)]
    table = context.make_array(kind)(context, builder, value)
    stride = builder.sdiv(cgutils.unpack_tuple(builder, table.strides)[0], ir.Constant(INT, 8))
    return [builder.gep(table.data, [builder.mul(stride, ir.Constant(INT, r))]) for r in range(count)]


def later(builder, index, u):
    """Return the index u packs further on."""
    return builder.add(index, ir.Constant(INT, u * LANES))


def pointer(builder, row, index):
    return builder.bitcast(builder.gep(row, [index]), DOUBLES.as_pointer())


def load(builder, row, index):
    loaded = builder.load(pointer(builder, row, index))
    loaded.align = 8
    return loaded
