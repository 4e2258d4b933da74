from website.outside import DOCS
from website.pictures.digits import codes_and_prior, latent_plane
from website.pictures.look import save
from website.pictures.two_pixels import two_pixels

for name, draw in (
    ("two-pixels", two_pixels),
    ("latent-plane", latent_plane),
    ("codes-and-prior", codes_and_prior),
):
    save(draw(), DOCS / "images" / "idea" / f"{name}.png")
