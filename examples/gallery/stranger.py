"""Bring a network that somebody else exported.

A network enters once, by an import that tries it. From then on it is a generator like any other,
and nothing of the code that built it is needed. What does not fit is refused, in a sentence that
says what to say instead.
"""

import sys

import torch
from sklearn.neural_network import MLPRegressor
from torch import nn

import preimage as pi

TINY = "--tiny" in sys.argv
clothes = pi.load_images("fashion-mnist", size=28, channels=1, max_images=60 if TINY else 6000)

# Somebody else's work, with another library and habits of their own: an autoencoder of scikit-learn,
# whose decoder takes codes (n, 16, 1, 1) and makes pixels (n, 784) in [0, 1]. They sent us a file.
pixels = (clothes.images.flatten(1) + 1) / 2
theirs = MLPRegressor(hidden_layer_sizes=(256, 16, 256), max_iter=2 if TINY else 40, tol=1, random_state=1)
theirs.n_iter_no_change = 100  # no warning that it could go on
theirs.fit(pixels, pixels)
layers: list[nn.Module] = [nn.Flatten()]
for weight, bias in list(zip(theirs.coefs_, theirs.intercepts_, strict=True))[2:]:
    layers += [nn.Linear(*weight.shape), nn.ReLU()]
    layers[-2].weight.data = torch.from_numpy(weight.T).float()
    layers[-2].bias.data = torch.from_numpy(bias).float()
decoder = nn.Sequential(*layers[:-1], nn.Hardtanh(0, 1))
batch = torch.export.Dim.DYNAMIC
torch.export.save(
    torch.export.export(decoder, (torch.randn(2, 16, 1, 1),), dynamic_shapes=({0: batch},)), "decoder.pt2"
)

# Ours begins here. A first try says what is missing.
try:
    pi.save_generator("decoder.pt2", "decoder")
except pi.PreimageError as error:
    print("refused:", error)
pi.save_generator("decoder.pt2", "decoder", image_shape=(1, 28, 28), image_range=(0, 1))

# Its codes' prior is not known: nobody said what the encoder makes of images. So we invert, and look.
# Whatever its range was, a generator of ours makes images in [-1, 1].
found = pi.invert("decoder", clothes.images[:12])
print(found, found.rank(12))
rows = {"clothes": found.images, "nearest images\nof the foreign\nnetwork": found.reconstructions}
captions = [clothes.classes[label] for label in clothes.labels[:12].tolist()]
pi.picture(rows, title="A network of scikit-learn, inverted", captions=captions).save("stranger.png")
