package org.evitmobile.core

/** Quantile [share] (0..1) of [values], linear between neighbours, as NumPy's default. */
fun quantile(values: List<Double>, share: Double): Double {
    require(values.isNotEmpty() && share in 0.0..1.0) { "quantile $share of ${values.size} values" }
    val sorted = values.sorted()
    val position = share * (sorted.size - 1)
    val below = position.toInt()
    val above = minOf(below + 1, sorted.size - 1)
    return sorted[below] + (position - below) * (sorted[above] - sorted[below])
}

/** A series of latencies in milliseconds. */
data class LatencySummary(val runs: Int, val p50Ms: Double, val p90Ms: Double, val p99Ms: Double) {
    companion object {
        fun of(latenciesMs: List<Double>) =
            LatencySummary(latenciesMs.size, quantile(latenciesMs, 0.5), quantile(latenciesMs, 0.9), quantile(latenciesMs, 0.99))
    }
}
