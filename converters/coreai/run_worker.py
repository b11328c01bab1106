"""Runs an asset for a parent process (child.py): its functions of tensors first, then an output for every image.

    python -m converters.coreai.run_worker ASSET

A request is two messages, a function's name and the image in .npy form; the answer is its output likewise.
"""

from __future__ import annotations

import asyncio
import io
import sys

from converters.coreai.child import Parent, serving, to_json
from converters.coreai.package import of_tensors


async def serve(path: str, parent: Parent) -> None:
    """Announces the asset's functions, and answers until the parent ends."""
    import numpy as np
    from coreai.authoring import AIModelAsset
    from coreai.runtime import NDArray

    async with AIModelAsset.load(path).executable() as model:
        functions = {name: model.load_function(name) for name in of_tensors(model.function_names)}
        ends = {name: (one.desc.input_names[0], one.desc.output_names[0]) for name, one in functions.items()}
        shapes = {name: one.desc.input_descriptor(ends[name][0]).shape for name, one in functions.items()}
        parent.answer(to_json({name: list(shape) for name, shape in shapes.items()}))
        requests = parent.requests()
        for name in requests:
            function, (source, result) = functions[name.decode()], ends[name.decode()]
            image = np.load(io.BytesIO(next(requests)), allow_pickle=False)
            outputs = await function({source: NDArray(image)})
            content = io.BytesIO()
            np.save(content, np.ascontiguousarray(outputs[result].numpy()), allow_pickle=False)
            parent.answer(content.getvalue())


if __name__ == "__main__":
    with serving() as parent:
        asyncio.run(serve(sys.argv[1], parent))
