"""What vulkaninfo prints of a machine with Mesa's software driver and another device."""

from __future__ import annotations

MESA = """
Device Properties and Extensions:
VkPhysicalDeviceProperties:
    apiVersion        = 1.4.305 (4210993)
    deviceName        = llvmpipe (LLVM 15.0.6, 256 bits)
VkPhysicalDeviceDriverProperties:
    driverName      = llvmpipe
    driverInfo      = Mesa {version} (LLVM 15.0.6)
    shaderFloat16                       = {half}
VkPhysicalDeviceProperties:
    deviceName        = another
    driverInfo        = 1.0
    shaderFloat16     = false
"""
