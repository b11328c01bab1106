"""A folder that `convert` wrote as a repository of Hugging Face's hub: its files, a model card from the manifest, the upload."""
