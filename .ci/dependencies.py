"""Checks the crates that lamcat is built of, without a network, by deny.toml and Cargo.toml.

    cargo metadata --locked --all-features --format-version 1 | python3 .ci/dependencies.py

Every crate has a licence that deny.toml allows, comes from the registry or from this repository, is not among those that
deny.toml forbids, and needs no later Rust than Cargo.toml says.
"""

import json
import re
import sys
import tomllib


def allowed(expression, licences):
    """Whether an SPDX expression can be met by these licences; `/` is an old way to write OR."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))

    def term():
        token = tokens.pop(0)
        if token == "(":
            value = any_of()
            tokens.pop(0)
            return value
        if tokens[:1] == ["WITH"]:
            token = " ".join([token, tokens.pop(0), tokens.pop(0)])
        return token in licences

    def all_of():
        value = term()
        while tokens[:1] == ["AND"]:
            tokens.pop(0)
            value &= term()
        return value

    def any_of():
        value = all_of()
        while tokens[:1] == ["OR"]:
            tokens.pop(0)
            value |= all_of()
        return value

    return any_of()


def version(text):
    return [*map(int, text.split(".")), 0][:3] if text else []


def faults(packages, deny, rust):
    licences = set(deny["licenses"]["allow"])
    forbidden = {ban["crate"]: ban["reason"] for ban in deny["bans"]["deny"]}
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if not allowed(package["license"] or "none", licences):
            yield f"{name} has the licence {package['license']}, which deny.toml does not allow"
        if package["name"] in forbidden:
            yield f"{name} is forbidden: {forbidden[package['name']]}"
        if package["source"] and not package["source"].startswith("registry+"):
            yield f"{name} comes from {package['source']}"
        if version(package["rust_version"]) > version(rust):
            yield f"{name} needs Rust {package['rust_version']}, Cargo.toml says {rust}"


def main():
    packages = json.load(sys.stdin)["packages"]
    deny = tomllib.load(open("deny.toml", "rb"))
    rust = tomllib.load(open("Cargo.toml", "rb"))["workspace"]["package"]["rust-version"]
    assert allowed("(MIT OR GPL-3.0) AND ISC", {"MIT", "ISC"}) and not allowed("MIT AND GPL-3.0", {"MIT"})
    found = list(faults(packages, deny, rust))
    print("\n".join(found) if found else f"{len(packages)} crates: licences, sources and Rust {rust} as they must be")
    sys.exit(bool(found))


main()
