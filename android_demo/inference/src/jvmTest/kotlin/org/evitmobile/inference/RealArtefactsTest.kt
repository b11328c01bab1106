package org.evitmobile.inference

import com.google.ai.edge.litert.CompiledModel
import java.io.File
import java.security.MessageDigest
import java.util.HexFormat
import javax.imageio.ImageIO
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlinx.serialization.json.Json
import org.evitmobile.core.ArtefactEntry
import org.evitmobile.core.BLOCK_RUNS
import org.evitmobile.core.DeviceEntry
import org.evitmobile.core.Failure
import org.evitmobile.core.ModelFiles
import org.evitmobile.core.NetworkInput
import org.evitmobile.core.PowerReading
import org.evitmobile.core.PowerSource
import org.evitmobile.core.ROUNDS
import org.evitmobile.core.RgbImage
import org.evitmobile.core.directory
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.io.TempDir

/** The app's own classes on artefacts as evit-mobile wrote them, run by LiteRT's C library. */
class RealArtefactsTest {
    private val fixtures = File(checkNotNull(System.getProperty("evitmobile.fixtures")))
    private val runtimes = listOf(LiteRtRuntime(threads = 1))

    /** m0's, without blanks. */
    private val manifest = Json.parseToJsonElement(File(fixtures, "m0/manifest.json").readText()).toString()

    @TempDir
    lateinit var cache: File

    /** Folders, and which precisions they hold. Nothing else is said about the models: the manifest says it. */
    private val models = mapOf(
        "m0" to listOf("fp32", "int8"),
        "b0" to listOf("int8"),
        "five" to listOf("int8"),
        "photo" to listOf("fp32", "int8-full"),
    )

    @TestFactory
    fun `golden vectors agree with Python`() =
        models.flatMap { (name, precisions) ->
            precisions.map { precision -> dynamicTest("$name $precision") { assertGolden(name, precision) } }
        }

    private fun assertGolden(name: String, precision: String) {
        val folder = ModelFolder.open(directory(File(fixtures, name)), cache, runtimes)
        folder.open(folder.choices.first { it.artefact.precision == precision }).use { classifier ->
            val check = checkGolden(classifier, checkNotNull(folder.golden()), ::decodePng)
            println("$name $precision: $check")
            assertEquals(listOf(32, 32), listOf(check.images, check.top1))
            assertEquals(Accelerator.CPU, classifier.accelerator)
            assertTrue(check.passed, "$check")
        }
    }

    @Test
    fun `a picture of any size gets named classes`() {
        val folder = ModelFolder.open(directory(File(fixtures, "five")), cache, runtimes)
        folder.open(folder.choices.first()).use { classifier ->
            val found = classifier.classify(RgbImage(480, 640, ByteArray(480 * 640 * 3) { it.toByte() }))
            assertEquals(3, found.predictions.size)
            assertTrue(found.predictions.all { it.label.startsWith("kind ") && it.probability in 0.0..1.0 }, "$found")
            assertTrue(found.inferenceMs > 0)
        }
    }

    @Test
    fun `a file for photos is given pixels, and its probabilities are taken as they are`() {
        val folder = ModelFolder.open(directory(File(fixtures, "photo")), cache, runtimes)
        val black = RgbImage(300, 200, ByteArray(300 * 200 * 3))
        for (choice in folder.choices.filter { it.accelerator == Accelerator.CPU }) {
            folder.open(choice).use { classifier ->
                assertIs<NetworkInput.Pixels>(classifier.input(black))
                val given = classifier.logits(classifier.input(black))
                assertEquals(1f, given.sum(), 0.02f)
                assertEquals(given.max().toDouble(), classifier.classify(black).predictions.first().probability)
            }
        }
    }

    @Test
    fun `the same image gives the same logits again`() {
        val folder = ModelFolder.open(directory(File(fixtures, "m0")), cache, runtimes)
        folder.open(folder.choices.first()).use { classifier ->
            val tensor = NetworkInput.Tensor(FloatArray(3 * 224 * 224) { (it % 17) / 17f })
            assertContentEquals(classifier.logits(tensor), classifier.logits(tensor))
        }
    }

    @Test
    fun `without a GPU the CPU runs, and the user is told`() {
        val folder = ModelFolder.open(directory(File(fixtures, "m0")), cache, runtimes)
        for (wanted in listOf(Accelerator.GPU, Accelerator.NPU)) {
            folder.open(folder.choices.first { it.accelerator == wanted }).use { classifier ->
                assertEquals(Accelerator.CPU, classifier.accelerator)
                assertTrue(classifier.notices.single().startsWith("$wanted cannot run"), "${classifier.notices}")
            }
        }
    }

    @Test
    fun `a file that is no model is a failure in words`() {
        val junk = ByteArray(5000) { (it * 31).toByte() }
        val failure = assertFailsWith<Failure> { openReplaced(junk) }
        assertTrue("LiteRT does not run" in failure.got, failure.message)
    }

    /** LiteRT 2.3.0 does not survive these: it crashes in native code on a file that ends early. So nothing is opened before its SHA-256. */
    @TestFactory
    fun `a damaged model is refused before LiteRT sees it`(): List<DynamicTest> {
        val path = "efficientvit_m0.fp32.tflite"
        val whole = File(fixtures, "m0/$path").readBytes()
        val damages = mapOf(
            "cut in half" to whole.copyOf(whole.size / 2),
            "one bit" to whole.copyOf().also { it[1_000_000] = (it[1_000_000].toInt() xor 1).toByte() },
            "empty" to ByteArray(0),
        )
        return damages.map { (name, bytes) ->
            dynamicTest(name) {
                val failure = assertFailsWith<Failure> { openFirst(replaced(path to bytes)) }
                assertTrue("SHA-256" in failure.got, failure.message)
            }
        }
    }

    @Test
    fun `an artefact that failed its validation says so`() {
        val text = manifest.replace("\"verdict\":\"passed\"", "\"verdict\":\"failed\"")
        openFirst(replaced("manifest.json" to text.encodeToByteArray())).use { classifier ->
            assertTrue("not proven: failed" in classifier.notices.single(), "${classifier.notices}")
        }
    }

    @Test
    fun `a folder without anything for these runtimes is a failure in words`() {
        val text = manifest.replace("\"format\":\"tflite\"", "\"format\":\"coreml\"")
        val failure = assertFailsWith<Failure> { openFirst(replaced("manifest.json" to text.encodeToByteArray())) }
        assertEquals("tflite", failure.allowed)
    }

    @Test
    fun `whoever opens closes, once`() {
        val before = CompiledModel.closed
        repeat(3) { openFirst(directory(File(fixtures, "m0"))).close() }
        assertEquals(before + 3, CompiledModel.closed)
    }

    /** Gives the same logits for every image. */
    private fun fake(vararg logits: Float) = object : Runtime {
        override val format = "tflite"
        override val name = "Fake"
        override val accelerators = listOf(Accelerator.CPU)

        override fun open(file: File, artefact: ArtefactEntry, accelerator: Accelerator) = object : Engine {
            override fun run(input: NetworkInput) = logits

            override fun close() = Unit
        }
    }

    @Test
    fun `logits of another number, and those that are no numbers, are failures in words`() {
        val engines = mapOf(fake(1f, 2f) to "2 logits of", fake(*FloatArray(10) { Float.NaN }) to "not finite")
        for ((runtime, word) in engines) {
            val folder = ModelFolder.open(directory(File(fixtures, "m0")), cache, listOf(runtime))
            val failure = assertFailsWith<Failure> { runBenchmark(folder, Accelerator.CPU, device) }
            assertTrue(word in failure.got, failure.message)
        }
    }

    /** A machine whose one rail counts a watt: 1000 uWs per millisecond. */
    private val device = object : Device {
        override val entry = DeviceEntry("JVM", "test")
        override val powerUnavailable = ""
        override val power = object : PowerSource {
            override val name = "a rail of the test's"
            override val refreshMs = 600L

            override fun read() = (System.nanoTime() / 1_000_000).let { PowerReading(it, mapOf("S1" to it * 1000)) }
        }

        override fun thermalState() = null

        override fun decode(encoded: ByteArray) = decodePng(encoded)
    }

    @Test
    fun `real artefacts are measured side by side`() {
        val folder = ModelFolder.open(directory(File(fixtures, "m0")), cache, runtimes)
        val before = CompiledModel.closed
        val report = runBenchmark(folder, Accelerator.GPU, device)
        assertEquals(listOf("CPU", "CPU"), report.artefacts.map { it.computeUnits }, "there is no GPU here")
        for (measured in report.artefacts) {
            assertTrue(measured.latenciesMs.size == ROUNDS * BLOCK_RUNS && measured.latenciesMs.all { it > 0 })
            assertEquals(32, measured.golden!!.top1)
            assertTrue(measured.energy!!.intervals!!.size in 4..6, "${measured.energy}")
        }
        assertEquals(before + 2, CompiledModel.closed)
        System.getProperty("evitmobile.report")?.let { File(it).writeText(report.toJson()) }
    }

    /** Opens m0's first artefact with [bytes] in its place and a manifest that agrees with them. */
    private fun openReplaced(bytes: ByteArray): Classifier {
        val old = ModelFolder.open(directory(File(fixtures, "m0")), cache, runtimes).manifest.artefacts.first()
        val digest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes))
        val text = manifest.replace(old.sha256, digest)
        return openFirst(replaced(old.path to bytes, "manifest.json" to text.encodeToByteArray()))
    }

    private fun openFirst(files: ModelFiles): Classifier = ModelFolder.open(files, cache, runtimes).let { it.open(it.choices.first()) }

    private fun replaced(vararg changes: Pair<String, ByteArray>): ModelFiles {
        val (base, replaced) = directory(File(fixtures, "m0")) to changes.toMap()
        return ModelFiles { path -> replaced[path]?.inputStream() ?: base.open(path) }
    }
}

private fun decodePng(encoded: ByteArray): RgbImage {
    val image = ImageIO.read(encoded.inputStream())
    return RgbImage(image.height, image.width, image.getRGB(0, 0, image.width, image.height, null, 0, image.width))
}
