"""The operators that an imported program may call: PyTorch's own, without side effects on anything but their
own results. A program that calls another is refused, whoever wrote it."""

import operator
from collections.abc import Callable
from typing import Any

import torch

LAYERS = """
    linear addmm mm bmm matmul baddbmm dot mv outer einsum embedding bilinear
    convolution conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
    batch_norm instance_norm group_norm layer_norm rms_norm native_group_norm native_layer_norm
    norm_except_dim dropout feature_dropout alpha_dropout
    avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d _adaptive_avg_pool2d
    max_pool1d max_pool2d max_pool2d_with_indices adaptive_max_pool2d scaled_dot_product_attention
    upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d
    _upsample_nearest_exact2d upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d
    _upsample_bilinear2d_aa _upsample_bicubic2d_aa pixel_shuffle pixel_unshuffle channel_shuffle
    grid_sampler grid_sampler_2d affine_grid_generator
"""
ACTIVATIONS = """
    relu relu6 leaky_relu prelu _prelu_kernel elu selu celu gelu silu mish glu sigmoid tanh softplus
    hardtanh hardsigmoid hardswish log_sigmoid softmax _softmax log_softmax _log_softmax threshold rrelu
    softshrink hardshrink
"""
ARITHMETIC = """
    add sub rsub mul div true_divide floor_divide remainder fmod neg abs sign square sqrt rsqrt reciprocal
    pow exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan atan2 sinh cosh asinh acosh atanh
    sinc hypot logit deg2rad erf erfc floor ceil round trunc frac clamp clamp_min clamp_max clip maximum
    minimum lerp addcmul addcdiv special_expit special_erf xlogy logaddexp logsumexp sum mean prod amax
    amin max min var std var_mean norm linalg_norm linalg_vector_norm cumsum cumprod argmax argmin any all
    nan_to_num median sort topk cosine_similarity cdist tensordot vdot linalg_vecdot
"""
SHAPES = """
    view _unsafe_view reshape view_as reshape_as expand expand_as flatten unflatten squeeze unsqueeze
    permute transpose t movedim swapaxes select slice narrow split split_with_sizes chunk unbind
    tensor_split cat concat stack hstack vstack dstack column_stack repeat repeat_interleave tile flip
    roll pad constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d index
    index_select gather where masked_fill broadcast_to contiguous clone alias detach lift_fresh
    lift_fresh_copy numpy_T mT mH rot90 tril triu diagonal meshgrid sym_size sym_stride sym_numel one_hot
    im2col col2im scatter unfold index_add index_put copy fill zero
"""
VALUES = """
    to _to_copy type_as arange zeros zeros_like ones ones_like full full_like new_zeros new_ones
    new_full scalar_tensor linspace eye eq ne lt le gt ge logical_and logical_or logical_not bitwise_and
    bitwise_or bitwise_not isnan isinf
"""
ALLOWED = frozenset(" ".join((LAYERS, ACTIVATIONS, ARITHMETIC, SHAPES, VALUES)).split())
"""Names in torch.ops.aten; those that work in place, such as `relu_`, count as their plain forms."""
TEXTS = frozenset({"approximate", "equation", "indexing", "mode", "padding", "padding_mode", "rounding_mode"})
"""Arguments that may be text: no operator here reads a file, but text is where one would."""


def _of_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    """A Python operator for numbers alone: it would repeat a list, or format a text, into any size."""

    def checked(*given: Any) -> Any:
        if not all(isinstance(each, int | float | torch.SymInt | torch.SymFloat) for each in given):
            raise TypeError(f"operator.{function.__name__} takes numbers")
        made = function(*given)
        if type(made) is int and made.bit_length() > 63:
            raise OverflowError(f"operator.{function.__name__} makes a number of more than 64 bits")
        return made

    return checked


ON_SIZES = {
    f"operator.{each.__name__}": _of_numbers(each)
    for each in (
        *(operator.add, operator.sub, operator.mul, operator.floordiv, operator.truediv, operator.mod),
        *(operator.neg, operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne),
    )
}
"""Python's operators, on sizes."""


class UnknownOperator(ValueError):
    """An operator that no program may call."""


def operator_of(name: str) -> Callable[..., Any]:
    """The function that a name such as `aten.relu.default` or `operator.mul` stands for.

    Raises UnknownOperator for any other.
    """
    if name in ON_SIZES:
        return ON_SIZES[name]
    kind, _, rest = name.partition(".")
    base, _, overload = rest.partition(".")
    plain = base if base in ALLOWED else base.removesuffix("_")
    if kind != "aten" or plain not in ALLOWED:
        raise UnknownOperator(f"the operator {name} is not one that a program may call")
    packet = getattr(torch.ops.aten, base, None)
    if packet is None or overload not in packet.overloads():
        raise UnknownOperator(f"PyTorch {torch.__version__} has no operator {name}")
    found = getattr(packet, overload)
    if not (_makes_tensors(found) or base.startswith("sym_")):
        raise UnknownOperator(f"the operator {name} is not one that a program may call")
    return found


def _makes_tensors(function: Any) -> bool:
    """Whether an operator makes new tensors: not those of TorchScript, on lists and plain numbers (one of
    which divides by zero in hardware), nor those that write into a given result."""
    schema = function._schema
    return (
        len(schema.returns) > 0
        and all(str(each.type) in ("Tensor", "List[Tensor]") for each in schema.returns)
        and not any(each.is_out for each in schema.arguments)
        and not schema.overload_name.startswith("prim")
    )
