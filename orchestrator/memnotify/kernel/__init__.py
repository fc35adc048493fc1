"""Kernels: sources, work trees, toolchain, configuration, builds."""
