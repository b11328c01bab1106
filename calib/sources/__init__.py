"""One file per kind of image source; each opens it as an ImageDataset or raises DataError."""
