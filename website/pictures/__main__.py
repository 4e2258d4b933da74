from website.outside import DOCS
from website.pictures.look import save
from website.pictures.two_pixels import two_pixels

save(two_pixels(), DOCS / "images" / "idea" / "two-pixels.png")
