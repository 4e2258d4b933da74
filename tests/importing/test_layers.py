"""PyTorch's layers and functions, imported: the same images and gradients in batches of any size."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm, weight_norm

from preimage import save_generator
from preimage.models.generator_folder import load_generator


class Through(nn.Module):
    """Codes (n, 4), as maps (n, 4, 4, 4), through a function and layers to images (n, 1, H, W)."""

    def __init__(self, function, *layers: nn.Module) -> None:
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers)
        self.maps, self.grey = nn.Linear(4, 64), nn.Conv2d(4, 1, 1)
        self.register_buffer("kept", torch.linspace(-1, 1, 4))
        self.register_buffer("lost", torch.linspace(1, -1, 4), persistent=False)

    def forward(self, codes):
        made = self.function(self, torch.tanh(self.maps(codes)).view(-1, 4, 4, 4))
        return made if isinstance(made, list | dict) else self.images(made)

    def images(self, maps):
        image = self.grey(maps)
        return torch.tanh(image - image.mean((2, 3), keepdim=True))


def each(*layers: nn.Module) -> Through:
    """Every layer by itself; what they make is added, where need be in one size."""
    return Through(lambda net, x: sum(F.adaptive_avg_pool2d(layer(x), 4) for layer in net.layers), *layers)


def resized(net, x):
    modes = [("nearest", {}), ("nearest-exact", {}), ("area", {}), ("bicubic", {})]
    modes += [("bilinear", {"align_corners": True}), ("bilinear", {"antialias": True})]
    again = F.interpolate(x, scale_factor=1.6, mode="bilinear", recompute_scale_factor=True)
    deep = F.interpolate(x[:, :, None], size=(2, 9, 7), mode="trilinear").mean(2)
    flat = F.interpolate(x.flatten(2), size=63, mode="linear").view(-1, 4, 9, 7)
    same = sum(F.interpolate(x, size=(9, 7), mode=mode, **options) for mode, options in modes)
    return same + deep + flat + net.layers[0](again)[:, :, :1, :1]


def attended(net, x):
    rows = x.flatten(2).transpose(1, 2)
    attention, transformer = net.layers
    both = attention(rows, rows, rows)[0] + transformer(rows)
    return both.transpose(1, 2).reshape(x.shape) + F.scaled_dot_product_attention(x, x, x, is_causal=True)


def embedded(net, x):
    table, codebook = net.layers
    rows = x.permute(0, 2, 3, 1).reshape(-1, 4)
    nearest = codebook(torch.cdist(rows, codebook.weight).argmin(1)).view(-1, 4, 4, 4).permute(0, 3, 1, 2)
    return x + table(torch.arange(4, device=x.device)) + nearest


def in_place(net, x):
    y = x * 1
    kept = F.relu_(y) * 2  # y, changed, is used again
    z = torch.zeros_like(x)
    z[:, 1:] = x[:, :-1]
    z[..., ::2] *= 2
    z[:, [0, 2]] = x[:, [1, 3]]
    return kept.add_(y).clamp_(-1, 1) + z


def shapes(net, x):
    n = x.size(0)
    parts = torch.cat([part * (i + 1) for i, part in enumerate(x.chunk(3, 1))], 1)
    split = torch.cat(x.split([1, 3], 1)[::-1], 1) + torch.stack(x.unbind(1)[::-1], 1)
    sized = x.reshape(n * x.size(1) // 2, 2, 4, 4).reshape(n, -1, 4, 4) / (n / n)
    turned = x.flip(1).roll(1, 2).rot90(1, (2, 3)) + x.unfold(2, 2, 1).mean(-1).mean(2, keepdim=True)
    picked = x[:, [3, 1, 0, 2]] + x.gather(1, x.argmax(1, keepdim=True)) + x.topk(4, 1)[0] + x.sort(2)[0]
    return parts + split + sized + turned + picked


def constants(net, x):
    grid = torch.stack(torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")).float().sum(0)
    made = torch.tensor([1.0, 2.0, 3.0, 4.0]) + torch.zeros(x.size(0), 4, 4, 4) + torch.eye(4)
    return torch.where(x > 0, x + net.kept, x * net.lost) + grid + made + x.new_full((4,), 2.0)


def sums(net, x):
    w = net.kept.outer(net.lost)
    made = torch.einsum("bchw,cd->bdhw", x, w) + torch.tensordot(x, w, ([3], [0]))
    made = made + torch.baddbmm(w[None], x.flatten(2), x.flatten(2).mT)[:, None]
    return made + F.normalize(x, dim=1) + F.cosine_similarity(x, x.flip(1), dim=1)[:, None]


def modulated(net, x):
    n = x.size(0)
    w = net.layers[0].weight[None] * (1 + x.mean((2, 3)))[:, None, :, None, None]
    w = w * torch.rsqrt(w.square().sum((2, 3, 4), keepdim=True) + 1e-8)
    made = F.conv2d(x.reshape(1, n * 4, 4, 4), w.reshape(n * 4, 4, 3, 3), padding=1, groups=n)
    return made.reshape(n, 4, 4, 4)


def sampled(net, x):
    turn = torch.tensor([[[1.0, 0.1, 0], [0, 1, 0.1]]]).expand(x.size(0), -1, -1)
    warped = F.grid_sample(x, F.affine_grid(turn, (x.size(0), 4, 4, 4), False), align_corners=False)
    return warped + F.fold(F.unfold(x, 2), (4, 4), 2) + F.max_pool1d(x.flatten(2), 4).view(-1, 4, 4, 1)


def cast(net, x):
    y = x.to(torch.float64).mul(2).float() + x.to(torch.bfloat16).float()
    return (y + (x > 0).type_as(x)).contiguous(memory_format=torch.channels_last) + x.detach() * 0.1


CONVS = {mode: nn.Conv2d(4, 4, 3, padding=1, padding_mode=mode) for mode in ("zeros", "reflect", "replicate")}
NETS = {
    "resized": lambda: Through(resized, nn.Upsample(scale_factor=2)),
    "norms": lambda: each(
        *(nn.GroupNorm(2, 4), nn.LayerNorm([4, 4]), nn.RMSNorm([4, 4]), nn.InstanceNorm2d(4, affine=True)),
        *(nn.BatchNorm2d(4), nn.LocalResponseNorm(2), nn.Dropout(), nn.Dropout2d(), nn.AlphaDropout()),
    ),
    "attention": lambda: Through(
        attended,
        nn.MultiheadAttention(4, 2, batch_first=True),
        nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 1),
    ),
    "embedding": lambda: Through(embedded, nn.Embedding(4, 4), nn.Embedding(5, 4)),
    "padding": lambda: each(
        *CONVS.values(), nn.Conv2d(4, 4, 3, padding="same"), nn.ZeroPad2d(1), nn.CircularPad2d(1)
    ),
    "shuffles": lambda: each(
        nn.Sequential(nn.PixelUnshuffle(2), nn.ChannelShuffle(4), nn.PixelShuffle(2)), nn.MaxPool2d(2)
    ),
    "weights": lambda: each(
        *(parametrizations.weight_norm(nn.Conv2d(4, 4, 3)), weight_norm(nn.Conv2d(4, 4, 3))),
        *(parametrizations.spectral_norm(nn.Conv2d(4, 4, 3)), spectral_norm(nn.Conv2d(4, 4, 3))),
    ),
    "activations": lambda: each(
        *(nn.ReLU6(), nn.PReLU(), nn.RReLU(), nn.ELU(), nn.SELU(), nn.CELU(), nn.GELU("tanh"), nn.SiLU()),
        *(nn.Mish(), nn.Softplus(), nn.Softsign(), nn.Hardtanh(), nn.Hardswish(), nn.LogSigmoid()),
        *(nn.Softshrink(), nn.Hardshrink(), nn.Tanhshrink(), nn.Softmax(1), nn.Threshold(0.1, 0.2)),
    ),
    "in place": lambda: Through(in_place),
    "shapes": lambda: Through(shapes),
    "constants": lambda: Through(constants),
    "sums": lambda: Through(sums),
    "modulated": lambda: Through(modulated, nn.Conv2d(4, 4, 3)),
    "sampled": lambda: Through(sampled),
    "cast": lambda: Through(cast),
    "dict": lambda: Through(lambda net, x: {"maps": x, "images": net.images(x)}),
    "list": lambda: Through(lambda net, x: [x, net.images(x)]),
}


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated", "ignore:There is a perf")
@pytest.mark.parametrize("kind", NETS)
def test_an_imported_network_computes_the_same(tmp_path, kind):
    torch.manual_seed(0)
    net = NETS[kind]().eval()
    output = {"dict": "images", "list": 1}.get(kind)
    with torch.no_grad():
        net(torch.zeros(2, 4))  # the older weight_norm is copied only then
    save_generator(net, tmp_path, latent_dim=4, output=output)
    loaded = load_generator(tmp_path)[0]
    for count in (1, 2, 5):
        codes = torch.randn(count, 4, requires_grad=True)
        own, found = net(codes) if output is None else net(codes)[output], loaded(codes)
        torch.testing.assert_close(found, own)
        (slope,) = torch.autograd.grad(own.square().sum(), codes)
        (again,) = torch.autograd.grad(found.square().sum(), codes)
        torch.testing.assert_close(again, slope)
