"""Base-2 exponential, logarithm and maximum in a form that LLVM turns into vector instructions.

2^s = 2^i 2^f with i = round(s), |f| <= 1/2. The factor 2^f is a polynomial of degree 11 (least maximum error
3e-18, below rounding); 2^i is added to the exponent bits. No branch, no table, no library call. The logarithm of
2^i m, m between sqrt(1/2) and sqrt(2), is i log 2 + 2 atanh((m - 1) / (m + 1)), the latter by its power series.
"""

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from particles.softmax.kernels import LOG_2

# `contract` allows fused multiply-add. `reassoc` must stay out of exp2, or s + ROUND - ROUND folds to s;
# `nnan` and `ninf` stay out everywhere, so that NaN survives.
EXACT = {"contract", "nsz"}
REDUCE = {"contract", "nsz", "reassoc"}

ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it rounds to an integer, kept in the low bits
LEAST = -1020.0  # below this 2^s would be subnormal

_BITS_OF_SQRT_HALF = 0x3FE6A09E667F3BCD
_TERMS = 10  # of the series of atanh on |s| <= 0.172; the next is below 1e-17

# 2^f = f odd(f^2) + even(f^2), highest power first
ODD = (
    4.455817908336064493e-10,
    1.0178057087733941105e-7,
    1.5252733841556772589e-5,
    1.3333558146406470697e-3,
    5.5504108664821627039e-2,
    0.69314718055994530925,
)
EVEN = (
    7.0741942972885210056e-9,
    1.3215432535912376166e-6,
    1.5403530463724354209e-4,
    9.6181291075872566681e-3,
    0.24022650695910159567,
    1.0,
)


@intrinsic
def _bits(context, value):
    def emit(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), emit


@intrinsic
def _float(context, bits):
    def emit(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), emit


@intrinsic
def maximum(context, left, right):
    """Return the larger of two doubles, NaN if either is NaN (llvm.maximum, which vectorises)."""

    def emit(context, builder, signature, arguments):
        double = ir.DoubleType()
        function = builder.module.declare_intrinsic("llvm.maximum", [double], ir.FunctionType(double, [double, double]))
        return builder.call(function, arguments)

    return types.float64(types.float64, types.float64), emit


@njit(fastmath=EXACT, nogil=True, cache=True)
def exp2(s):
    """Return 2^s for s <= 1020, with s below -1020 taken as -1020; NaN stays NaN."""
    s = LEAST if s < LEAST else s  # written so that NaN falls through
    shifted = s + ROUND
    f = s - (shifted - ROUND)
    g = f * f
    odd, even = ODD[0], EVEN[0]
    for k in range(1, len(ODD)):
        odd = odd * g + ODD[k]
        even = even * g + EVEN[k]
    return _float(_bits(odd * f + even) + (_bits(shifted) << 52))


@njit(fastmath=EXACT, nogil=True, cache=True, error_model="numpy")
def log(x):
    """Return the natural logarithm of a positive normal number, to 2 eps max(1, |log x|); NaN stays NaN."""
    bits = _bits(x)
    power = (bits - _BITS_OF_SQRT_HALF) >> 52
    m = _float(bits - (power << 52)) - 1.0
    s = m / (2.0 + m)
    g = s * s
    total = 1.0 / (2 * _TERMS + 1)
    for k in range(_TERMS - 1, -1, -1):
        total = total * g + 1.0 / (2 * k + 1)
    return power * LOG_2 + 2.0 * (s * total) + (x - x)  # NaN where x is
