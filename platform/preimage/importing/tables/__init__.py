"""Tables of vectors, from Parquet, .npy and .safetensors files, as latent stores."""
