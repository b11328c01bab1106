"""What lies around the EfficientViT in a module that was passed: operations on the image before it and on its output behind it.

baked       a private copy of the module without wrappers, masks and parametrizations
leaf        the network in that copy stands in for itself while the rest is traced
trace       the module's whole forward as one graph, or a refusal that names what has no place in a file
forms       operations that no format has, in operations that all formats have
choices     the choice and order of classes or channels, as slices
affine      sums and products with constants, into the layer beside them where there is one
surrounded  before, network and behind as one module
"""

from evit_mobile.models.surroundings.surrounded import Surrounded

__all__ = ["Surrounded"]
