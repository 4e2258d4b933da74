"""The jobs that train: train-gan, train-dfm, train-glo, train-autoencoder, train-classifier, train-prior."""
