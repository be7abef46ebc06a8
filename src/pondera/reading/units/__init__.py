"""The units of a layer: how strongly each is connected, which are dead, which point the same way."""
