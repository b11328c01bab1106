package org.evitmobile.app

import android.content.Context
import android.os.Build
import android.os.PowerManager
import org.evitmobile.core.DeviceEntry
import org.evitmobile.core.Failure
import org.evitmobile.core.PowerSource
import org.evitmobile.core.RgbImage
import org.evitmobile.inference.Device

/** The phone this runs on. Its energy is measured only where [energy] asks for it. */
class AndroidDevice(private val context: Context, energy: Boolean) : Device {
    override val entry = DeviceEntry(
        model = "${Build.MANUFACTURER} ${Build.MODEL}",
        system = "Android ${Build.VERSION.RELEASE} (API ${Build.VERSION.SDK_INT})",
    )
    private val openedPower = openPower(context, energy)
    override val power: PowerSource? = openedPower.getOrNull()
    override val powerUnavailable: String = openedPower.exceptionOrNull()?.message.orEmpty()

    override fun thermalState(): String? {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.Q) return null
        return when (context.getSystemService(PowerManager::class.java).currentThermalStatus) {
            PowerManager.THERMAL_STATUS_NONE -> "nominal"
            PowerManager.THERMAL_STATUS_LIGHT, PowerManager.THERMAL_STATUS_MODERATE -> "fair"
            PowerManager.THERMAL_STATUS_SEVERE -> "serious"
            else -> "critical"
        }
    }

    override fun decode(encoded: ByteArray): RgbImage = decodeImage(encoded)
}

private fun openPower(context: Context, wanted: Boolean): Result<PowerSource> =
    if (!wanted) {
        Result.failure(Failure("a benchmark without energy", "one with --ez energy true", "start it so"))
    } else if (Build.VERSION.SDK_INT < Build.VERSION_CODES.VANILLA_ICE_CREAM) {
        Result.failure(Failure("Android ${Build.VERSION.RELEASE}", "15 or later, which has power monitors", "measure with a battery meter"))
    } else {
        try {
            Result.success(PowerMonitors.open(context))
        } catch (failure: Failure) {
            Result.failure(failure)
        }
    }
