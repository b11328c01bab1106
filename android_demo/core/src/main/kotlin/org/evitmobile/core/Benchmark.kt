package org.evitmobile.core

import kotlin.math.abs

/** An opened artefact to measure: [run] is one inference, [loadMs] what opening took. */
class BenchmarkSubject(val artefact: ArtefactEntry, val runtime: String, val loadMs: Double, val run: () -> Unit)

/** What was measured of one subject, in milliseconds. [latenciesMs] are in order, after the warm-up. */
class Measurement(val subject: BenchmarkSubject, val firstRunMs: Double, val warmUpMs: List<Double>, val latenciesMs: List<Double>)

/**
 * The loop of docs/profile.md: each subject runs once, then until its latency no longer falls; then come [ROUNDS] rounds of one
 * block of [BLOCK_RUNS] runs per subject, A B A B. The blocks of a round are pairs, so ratios between subjects are fair.
 *
 * @param nanoTime a clock in nanoseconds that never goes back.
 */
fun benchmark(subjects: List<BenchmarkSubject>, nanoTime: () -> Long = System::nanoTime): List<Measurement> {
    fun timeMs(run: () -> Unit): Double {
        val start = nanoTime()
        run()
        return (nanoTime() - start) / NANOSECONDS_PER_MS
    }
    val firstRunsMs = subjects.map { timeMs(it.run) }
    val warmUps = subjects.map { subject -> warmUp { timeMs(subject.run) } }
    val latencies = subjects.map { ArrayList<Double>(ROUNDS * BLOCK_RUNS) }
    repeat(ROUNDS) {
        subjects.forEachIndexed { index, subject -> repeat(BLOCK_RUNS) { latencies[index] += timeMs(subject.run) } }
    }
    return subjects.mapIndexed { index, subject -> Measurement(subject, firstRunsMs[index], warmUps[index], latencies[index]) }
}

/** Runs until the medians of the last two windows agree within [STEADY_TOLERANCE], at most [LONGEST_WARM_UP] windows. */
private fun warmUp(timeMs: () -> Double): List<Double> {
    val runs = ArrayList<Double>()
    var previous = Double.POSITIVE_INFINITY
    repeat(LONGEST_WARM_UP) {
        val window = List(WINDOW_RUNS) { timeMs() }
        runs += window
        val median = quantile(window, 0.5)
        if (abs(previous - median) <= STEADY_TOLERANCE * median) return runs
        previous = median
    }
    return runs
}

/** Runs per block; `evit-mobile profile` cuts the series into blocks of this size again. */
const val BLOCK_RUNS = 50
const val ROUNDS = 8
private const val WINDOW_RUNS = 30
private const val LONGEST_WARM_UP = 10
private const val STEADY_TOLERANCE = 0.02
private const val NANOSECONDS_PER_MS = 1e6
