"""The table of families, a row each (docs/add-a-family.md). Imports no torch."""

from __future__ import annotations

from evit_mobile.families.family import Family
from evit_mobile.families.mit import VARIANTS as MIT_VARIANTS
from evit_mobile.families.mit import MitArchitecture
from evit_mobile.families.mit import crops_like as mit_crops
from evit_mobile.families.msra import VARIANTS as MSRA_VARIANTS
from evit_mobile.families.msra import MsraArchitecture

FAMILIES = (
    Family(
        name=MsraArchitecture.family,
        variants=MSRA_VARIANTS,
        build="evit_mobile.models.msra:build",
        costs="evit_mobile.models.costs.msra:costs",
        layouts="evit_mobile.models.weights.msra_names:LAYOUTS",
        passes="evit_mobile.rewrites.passes:MSRA",
        hidden="evit_mobile.models.msra:HIDDEN",
        trained_size="evit_mobile.models.weights.bias_tables:trained_size",
        crops={spec.name: {224: 0.875} for spec in MSRA_VARIANTS},
        crops_like=lambda _: "efficientvit_m0",
    ),
    Family(
        name=MitArchitecture.family,
        variants=MIT_VARIANTS,
        build="evit_mobile.models.mit:build",
        costs="evit_mobile.models.costs.mit:costs",
        layouts="evit_mobile.models.weights.mit_names:LAYOUTS",
        passes="evit_mobile.rewrites.passes:MIT",
        hidden="evit_mobile.models.mit:HIDDEN",
        crops={
            "efficientvit_b0": {224: 0.95},
            **{f"efficientvit_b{number}": {224: 0.95, 256: 1.0, 288: 1.0} for number in (1, 2, 3)},
            "efficientvit_l1": {224: 1.0},
            "efficientvit_l2": {224: 1.0, 256: 1.0, 288: 1.0, 384: 1.0},
            "efficientvit_l3": {224: 1.0, 256: 1.0, 320: 1.0, 384: 1.0},
        },
        crops_like=mit_crops,
    ),
)
