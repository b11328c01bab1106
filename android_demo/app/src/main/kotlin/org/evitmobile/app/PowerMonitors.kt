package org.evitmobile.app

import android.content.Context
import android.os.Build
import android.os.OutcomeReceiver
import android.os.PowerMonitor
import android.os.PowerMonitorReadings
import android.os.health.SystemHealthManager
import androidx.annotation.RequiresApi
import java.util.concurrent.CompletableFuture
import java.util.concurrent.ExecutionException
import java.util.concurrent.TimeUnit
import java.util.concurrent.TimeoutException
import org.evitmobile.core.Failure
import org.evitmobile.core.PowerReading
import org.evitmobile.core.PowerSource
import org.evitmobile.core.demand

/**
 * The power rails that Android 15 and later tell apps about, where the phone has meters on them. Android answers with the same reading for
 * 30 s, and takes some noise off it, so that apps cannot watch each other (services/core/.../PowerStatsService.java).
 */
@RequiresApi(Build.VERSION_CODES.VANILLA_ICE_CREAM)
class PowerMonitors private constructor(private val health: SystemHealthManager, private val rails: List<PowerMonitor>) : PowerSource {
    override val refreshMs = 31_000L
    override val name = "power monitors: ${rails.joinToString { it.name }}"

    /** Blocks until the system answers. Throws [Failure] when it does not. */
    override fun read(): PowerReading {
        val readings = await { future: CompletableFuture<PowerMonitorReadings> ->
            health.getPowerMonitorReadings(
                rails,
                null,
                object : OutcomeReceiver<PowerMonitorReadings, RuntimeException> {
                    override fun onResult(result: PowerMonitorReadings) {
                        future.complete(result)
                    }

                    override fun onError(error: RuntimeException) {
                        future.completeExceptionally(error)
                    }
                },
            )
        }
        val energies = rails.associate { it.name to readings.getConsumedEnergy(it) }
        demand(energies.values.all { it >= 0 }, "a power monitor without a reading", "one of each") { ADVICE }
        return PowerReading(readings.getTimestampMillis(rails.first()), energies)
    }

    companion object {
        /** The phone's meters. Modelled consumers are left out: only what was measured counts. Throws [Failure] when there are none. */
        fun open(context: Context): PowerMonitors {
            val health = context.getSystemService(SystemHealthManager::class.java)
            val monitors = await { future: CompletableFuture<List<PowerMonitor>> ->
                health.getSupportedPowerMonitors(null, future::complete)
            }
            val rails = monitors.filter { it.type == PowerMonitor.POWER_MONITOR_TYPE_MEASUREMENT }
            demand(rails.isNotEmpty(), "a phone without power meters", "one with some") { ADVICE }
            return PowerMonitors(health, rails)
        }
    }
}

private fun <T> await(ask: (CompletableFuture<T>) -> Unit): T {
    val future = CompletableFuture<T>()
    ask(future)
    return try {
        future.get(ANSWER_S, TimeUnit.SECONDS)
    } catch (error: ExecutionException) {
        throw Failure("power monitors that fail: ${error.cause?.message}", "readings", ADVICE, error)
    } catch (error: TimeoutException) {
        throw Failure("power monitors that do not answer", "an answer within $ANSWER_S s", ADVICE, error)
    }
}

private const val ANSWER_S = 5L
private const val ADVICE = "measure with a battery meter"
