package org.evitmobile.core

import java.io.File
import kotlinx.serialization.EncodeDefault
import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json

/** What the benchmark writes and `evit-mobile profile --on android-report:FILE` reads (docs/profile.md, "App report"). */
@OptIn(ExperimentalSerializationApi::class)
@Serializable
data class BenchmarkReport(
    @EncodeDefault val schema: Int = 1,
    val device: DeviceEntry,
    val artefacts: List<MeasuredEntry>,
) {
    fun toJson(): String = Json.encodeToString(serializer(), this)
}

/** `model` is what the maker calls it, `system` the Android release and API level. */
@Serializable
data class DeviceEntry(val model: String, val system: String)

/** One artefact's series, in milliseconds and in order; memory is the process's peak. */
@Serializable
data class MeasuredEntry(
    val name: String,
    val sha256: String,
    val runtime: String,
    @SerialName("compute_units") val computeUnits: String,
    @SerialName("load_ms") val loadMs: Double,
    @SerialName("first_run_ms") val firstRunMs: Double,
    @SerialName("latencies_ms") val latenciesMs: List<Double>,
    @SerialName("thermal_before") val thermalBefore: String?,
    @SerialName("thermal_after") val thermalAfter: String?,
    @SerialName("peak_memory_bytes") val peakMemoryBytes: Long? = null,
    val energy: EnergyEntry? = null,
    val golden: GoldenCheck? = null,
)

/** The process's largest resident memory so far in bytes (VmHWM), or null where the system does not tell. */
fun peakMemoryBytes(status: File = File("/proc/self/status")): Long? =
    status.takeIf(File::canRead)?.useLines { lines ->
        lines.find { it.startsWith("VmHWM:") }?.filter(Char::isDigit)?.toLongOrNull()?.times(BYTES_PER_KIB)
    }

private const val BYTES_PER_KIB = 1024L
