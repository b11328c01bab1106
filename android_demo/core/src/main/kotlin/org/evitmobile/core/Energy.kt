package org.evitmobile.core

import kotlin.math.abs
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

/** Something that counts energy. */
interface PowerSource {
    val name: String

    /** Milliseconds after which a reading is a new one. */
    val refreshMs: Long

    /** Throws [Failure] when nothing can be read. */
    fun read(): PowerReading
}

/**
 * Idle and busy repetitions of one refresh of the source, in turn, as `evit-mobile profile` does on a host. Nothing else may run
 * meanwhile: all that the device spends beyond idling counts for the inferences. A source may answer with an old reading, so one
 * refresh passes first, and repetitions whose readings span another time than they took are left out.
 *
 * @param nanoTime a clock in nanoseconds that never goes back.
 */
fun measureEnergy(
    source: PowerSource,
    run: () -> Unit,
    sleep: (Long) -> Unit = Thread::sleep,
    nanoTime: () -> Long = System::nanoTime,
): EnergyEntry {
    fun elapsedMs(since: Long) = (nanoTime() - since) / 1_000_000

    fun busy(): Int {
        val start = nanoTime()
        var inferences = 0
        while (elapsedMs(start) < source.refreshMs) run().also { inferences++ }
        return inferences
    }

    fun idle(): Int {
        sleep(source.refreshMs)
        return 0
    }

    fun interval(work: () -> Int): PowerInterval? {
        val (start, before) = nanoTime() to source.read()
        val interval = PowerInterval(work(), before, source.read())
        val (spanMs, tookMs) = interval.after.timeMs - before.timeMs to elapsedMs(start)
        return interval.takeIf { abs(spanMs - tookMs) <= SPAN_TOLERANCE * tookMs }
    }
    return try {
        source.read()
        idle()
        EnergyEntry(source.name, List(REPETITIONS) { listOfNotNull(interval(::idle), interval(::busy)) }.flatten())
    } catch (failure: Failure) {
        EnergyEntry(unavailable = failure.got)
    }
}

private const val REPETITIONS = 3
private const val SPAN_TOLERANCE = 0.05
