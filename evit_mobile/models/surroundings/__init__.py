"""What lies around the EfficientViT in a module that was passed: operations on the image before it and on its output behind it.

baked       a private copy of the module without wrappers, masks and parametrizations
leaf        the network in that copy stands in for itself while the rest is traced
trace       the module's whole forward as one graph
outputs     its one output, by whatever structure it is returned
cut         the graph cut at the network, or a refusal that names what goes through it in parts or round it
plain       what lies before and behind in operations that all formats have, or a refusal that names the others
forms       operations that no format has, in operations that all formats have
constants   what does not depend on the image is computed once
choices     the choice and order of classes or channels, as slices
affine      sums and products with constants, into the layer beside them where there is one
describe    notes, and what the manifest says of it
surrounded  before, network and behind as one module
"""

from evit_mobile.models.surroundings.surrounded import Surrounded

__all__ = ["Surrounded"]
