package org.evitmobile.core

import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable

/** The device's energy counters at one moment, in microwatt-seconds since its start, by rail. */
@Serializable
data class PowerReading(@SerialName("time_ms") val timeMs: Long, @SerialName("rails_uws") val railsUws: Map<String, Long>)

/** What lies between two readings; [inferences] is 0 while idle. */
@Serializable
data class PowerInterval(val inferences: Int, val before: PowerReading, val after: PowerReading)

/** Readings for `evit-mobile profile` to work out, or why there are none. */
@Serializable
data class EnergyEntry(val source: String? = null, val intervals: List<PowerInterval>? = null, val unavailable: String? = null)

/** Something that counts energy. Throws [Failure] when it cannot. */
interface PowerSource {
    val name: String

    fun read(): PowerReading
}

/**
 * Idle and busy repetitions of about a second, one after the other, as `evit-mobile profile` does on a host. Nothing else may run
 * meanwhile: all that the device spends beyond idling counts for the inferences.
 *
 * @param latencyMs of one [run], which tells how many fill a repetition.
 */
fun measureEnergy(source: PowerSource, latencyMs: Double, run: () -> Unit, sleep: (Long) -> Unit = Thread::sleep): EnergyEntry {
    val count = maxOf(1, Math.round(REPETITION_MS / latencyMs).toInt())
    fun interval(inferences: Int, work: () -> Unit): PowerInterval {
        val before = source.read()
        work()
        return PowerInterval(inferences, before, source.read())
    }
    return try {
        val intervals = List(REPETITIONS) { listOf(interval(0) { sleep(REPETITION_MS) }, interval(count) { repeat(count) { run() } }) }
        EnergyEntry(source.name, intervals.flatten())
    } catch (failure: Failure) {
        EnergyEntry(unavailable = failure.got)
    }
}

private const val REPETITIONS = 5
private const val REPETITION_MS = 1000L
