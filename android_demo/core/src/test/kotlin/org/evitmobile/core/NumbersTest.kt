package org.evitmobile.core

import java.io.File
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

class NumbersTest {
    @Test
    fun `softmax survives large logits and keeps the order`() {
        val found = predictions(floatArrayOf(1000f, 1002f, 1001f), listOf("a", "b"), 2)
        assertEquals(listOf("b", "class 2"), found.map(Prediction::label))
        assertEquals(1 / (1 + Math.exp(-1.0) + Math.exp(-2.0)), found[0].probability, 1e-12)
        assertEquals(1.0, softmax(floatArrayOf(3f, -50f, 0f)).sum(), 1e-12)
    }

    @Test
    fun `of equal logits the earlier class comes first`() = assertEquals(listOf(1, 2, 0), topK(floatArrayOf(0f, 7f, 7f), 3))

    @Test
    fun `NaN is a failure, not a class`() {
        assertFailsWith<Failure> { predictions(floatArrayOf(0f, Float.NaN), emptyList(), 1) }
    }

    @Test
    fun `int8 codes round half to even and clip`() {
        val entry = TensorEntry("x", listOf(1, 4), "int8", scale = 0.5, zeroPoint = 3)
        assertContentEquals(byteArrayOf(3, 5, 127, -128), quantize(floatArrayOf(0.25f, 0.75f, 1e6f, -1e6f), entry))
        assertContentEquals(floatArrayOf(-1.5f, 0f, 62f), dequantize(byteArrayOf(0, 3, 127), entry))
        assertContentEquals(floatArrayOf(-1.5f, 124f), dequantize(byteArrayOf(0, -5), entry.copy(dtype = "uint8")))
        assertFailsWith<Failure> { quantize(floatArrayOf(0f), entry.copy(scale = null)) }
    }

    @Test
    fun `NHWC puts the channels last`() {
        val nchw = floatArrayOf(0f, 1f, 2f, 3f, 10f, 11f, 12f, 13f, 20f, 21f, 22f, 23f)
        val entry = TensorEntry("x", listOf(1, 2, 2, 3), "float32", "NHWC")
        assertContentEquals(floatArrayOf(0f, 10f, 20f, 1f, 11f, 21f, 2f, 12f, 22f, 3f, 13f, 23f), arrange(nchw, entry))
        assertContentEquals(nchw, arrange(nchw, entry.copy(layout = "NCHW")))
    }

    @Test
    fun `quantiles are NumPy's`() {
        val values = listOf(4.0, 1.0, 3.0, 2.0)
        assertEquals(2.5, quantile(values, 0.5))
        assertEquals(3.7, quantile(values, 0.9), 1e-12)
        assertEquals(LatencySummary(4, 2.5, 3.7, 3.97), LatencySummary.of(values).let { it.copy(p99Ms = Math.round(it.p99Ms * 100) / 100.0) })
    }

    @Test
    fun `subjects are measured in rounds of blocks`() {
        var now = 0L
        val order = StringBuilder()
        val artefact = readManifest(directory(modelFolder("m0"))).artefacts.first()
        fun subject(name: Char, ms: Long) = BenchmarkSubject(artefact, "$name", 1.0) { order.append(name); now += ms * 1_000_000 }
        val (a, b) = benchmark(listOf(subject('A', 2), subject('B', 5))) { now }
        assertEquals(List(ROUNDS * BLOCK_RUNS) { 2.0 }, a.latenciesMs)
        assertEquals(List(ROUNDS * BLOCK_RUNS) { 5.0 }, b.latenciesMs)
        assertEquals(listOf(2.0, 60), listOf(a.firstRunMs, a.warmUpMs.size))
        val rounds = ("A".repeat(BLOCK_RUNS) + "B".repeat(BLOCK_RUNS)).repeat(ROUNDS)
        assertTrue(order.endsWith(rounds))
    }

    @Test
    fun `the report is an object with its schema`() {
        val entry = MeasuredEntry("x.tflite", "00", "LiteRT", "CPU", 1.0, 2.0, listOf(1.5), null, "fair")
        val text = BenchmarkReport(device = DeviceEntry("Pixel", "Android 15"), artefacts = listOf(entry)).toJson()
        assertTrue(text.startsWith("""{"schema":1,"device":{"model":"Pixel","system":"Android 15"},"artefacts":[{"name":"x.tflite""""), text)
        assertTrue("\"compute_units\":\"CPU\"" in text && "\"latencies_ms\":[1.5],\"thermal_before\":null,\"thermal_after\":\"fair\"}" in text, text)
    }

    /** A rail of one watt, whose readings are refreshed every [refreshMs]; time passes only where the tests say so. */
    private class Rail(override val refreshMs: Long = 1000, var nowMs: Long = 0) : PowerSource {
        override val name = "rail"
        private var cached = PowerReading(-refreshMs, emptyMap())

        override fun read(): PowerReading {
            if (nowMs - cached.timeMs >= refreshMs) cached = PowerReading(nowMs, mapOf("S1" to nowMs * 1000))
            return cached
        }
    }

    private fun measured(rail: Rail) = measureEnergy(rail, { rail.nowMs += 250 }, { rail.nowMs += it }, { rail.nowMs * 1_000_000 })

    @Test
    fun `energy alternates idle and busy`() {
        val intervals = measured(Rail()).intervals!!
        assertEquals(listOf(0, 4, 0, 4, 0, 4), intervals.map { it.inferences })
        assertEquals(PowerInterval(0, PowerReading(1000, mapOf("S1" to 1_000_000)), PowerReading(2000, mapOf("S1" to 2_000_000))), intervals[0])
    }

    @Test
    fun `a reading that was old before the first refresh spoils nothing`() {
        val rail = Rail()
        rail.read()
        rail.nowMs = 700
        assertEquals(6, measured(rail).intervals!!.size)
    }

    @Test
    fun `repetitions that the readings do not span are left out`() {
        val slow = Rail(refreshMs = 1000)
        val stale = object : PowerSource by slow {
            override fun read() = PowerReading(0, mapOf("S1" to 0L))
        }
        assertEquals(emptyList(), measureEnergy(stale, { slow.nowMs += 250 }, { slow.nowMs += it }) { slow.nowMs * 1_000_000 }.intervals)
    }

    @Test
    fun `a source that fails is unavailable`() {
        val broken = object : PowerSource by Rail() {
            override fun read(): PowerReading = throw Failure("no rails", "some", "nothing")
        }
        assertEquals(EnergyEntry(unavailable = "no rails"), measureEnergy(broken, {}, {}))
    }

    @Test
    fun `peak memory is VmHWM in bytes, or unknown`(@TempDir folder: File) {
        val status = File(folder, "status").apply { writeText("Name:\tx\nVmHWM:\t   12 kB\n") }
        assertEquals(12 * 1024L, peakMemoryBytes(status))
        assertEquals(null, peakMemoryBytes(File(folder, "none")))
        assertTrue(checkNotNull(peakMemoryBytes()) > 1_000_000)
    }
}
