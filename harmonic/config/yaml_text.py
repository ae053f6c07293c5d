"""Plain containers as the YAML that OmegaConf reads back as they are."""

from __future__ import annotations

from typing import Any

import yaml

_NUMBER_BEGINS = tuple("+-.0123456789")


class _Dumper(yaml.CSafeDumper):  # type: ignore[misc]
    """Quotes text that OmegaConf would read back as a number or a bool."""


def _represent_text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    # OmegaConf's numbers are more than YAML 1.1's (1e-4, nan); a quote too many does no harm
    style = "'" if text[:1] in _NUMBER_BEGINS or text.lower() in ("inf", "nan") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump(plain: Any) -> str:
    """Plain containers as YAML that OmegaConf reads back as they are."""
    text: str = yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text
