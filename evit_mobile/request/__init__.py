"""What `convert` is asked for, as one value: checked when it is made, saved in the manifest, replayed from there.

An option of `convert` is three entries, each in one place:
1. a field of `ConvertRequest` in `request.py`, with its type, its default and a line in the class's docstring. The Python API
   (`evit_mobile.convert(model, **fields)`), the manifest's "request" and `convert --request FILE` have it by that;
2. an option of the same name in `cli/convert.py`, in the panel where people look for it. One whose text or flags become another
   value has its line in `fields_of` there;
3. a refusal in `checks.py`, where it does not go with something else: `check_values` sees the request alone, `usable_targets` the
   targets too, `check_model` the loaded model. All of them come before any work.
Steps of `commands/convert.py` read the field from the request that they are given; nothing is handed down beside it.
docs/manifest.md names it, and the site's page about the command line is made from the option.
"""

from evit_mobile.request.request import ConvertRequest

__all__ = ["ConvertRequest"]
