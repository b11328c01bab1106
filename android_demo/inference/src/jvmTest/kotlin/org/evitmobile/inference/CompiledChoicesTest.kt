package org.evitmobile.inference

import java.io.File
import java.io.FileNotFoundException
import java.security.MessageDigest
import java.util.HexFormat
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import org.evitmobile.core.ArtefactEntry
import org.evitmobile.core.Failure
import org.evitmobile.core.ModelFiles
import org.evitmobile.core.NetworkInput
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** Files for one chip: who gets which, and what the user is told. Manifests are made up here, and so are the engines. */
class CompiledChoicesTest {
    @TempDir
    lateinit var cache: File

    /** A runtime whose engines give the number of their accelerator; the NPU says no where it is [broken]. */
    private class Fake(override val format: String, private val broken: Boolean = false) : Runtime {
        override val name = "Fake"
        override val accelerators = listOf(Accelerator.CPU, Accelerator.NPU)

        override fun open(file: File, artefact: ArtefactEntry, accelerator: Accelerator): Engine {
            if (broken && accelerator == Accelerator.NPU) throw Failure("a phone without its libraries", "one with them", "choose the CPU")
            return object : Engine {
                override fun run(input: NetworkInput) = FloatArray(2) { accelerator.ordinal.toFloat() }

                override fun close() = Unit
            }
        }
    }

    private fun artefact(path: String, format: String, soc: String?): String {
        val digest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(path.toByteArray()))
        val chip = if (soc == null) "null" else "\"$soc\""
        return """{"format": "$format", "precision": "int8", "path": "$path", "sha256": "$digest", "soc": $chip,
            "inputs": [{"name": "i", "shape": [1, 3, 32, 32], "dtype": "float32", "layout": "NCHW"}],
            "outputs": [{"name": "o", "shape": [1, 2], "dtype": "float32"}],
            "validations": [{"verdict": "passed", "reason": ""}]}"""
    }

    private fun folder(soc: String?, runtime: Runtime, format: String = "tflite", damaged: Boolean = false): ModelFolder {
        val paths = mapOf("m.$format" to null, "m.sm8650.$format" to "SM8650", "m.sm8750.$format" to "SM8750")
        val listed = paths.map { (path, chip) -> artefact(path, if (chip == null) format else "$format-${chip.lowercase()}", chip) }
        val manifest = """{"schema": 2, "model": {"name": "m", "task": "classification", "num_classes": 2}, "labels": [],
            "input": {"shape": [1, 3, 32, 32], "resize": {"mode": "cover", "size": [32, 32]}, "crop": {"mode": "center", "size": [32, 32]},
            "interpolation": "bilinear", "mean": [0, 0, 0], "std": [1, 1, 1], "color": "RGB"}, "artefacts": [${listed.joinToString()}]}"""
        val files = ModelFiles { path ->
            when (path) {
                "manifest.json" -> manifest.byteInputStream()
                in paths -> (if (damaged) "damaged" else path).byteInputStream()
                else -> throw FileNotFoundException(path)
            }
        }
        return ModelFolder.open(files, cache, listOf(runtime), soc)
    }

    private fun Classifier.accelerators() = logits(NetworkInput.Tensor(FloatArray(3 * 32 * 32)))

    @Test
    fun `a phone gets the file for its chip first, and none for another`() {
        for (format in listOf("tflite", "onnx")) {
            val folder = folder("sm8750", Fake(format), format)
            assertEquals(listOf("m.sm8750.$format", "m.$format", "m.$format"), folder.choices.map { it.artefact.path })
            assertEquals("Fake int8, NPU of SM8750", folder.choices.first().title)
            folder.open(folder.choices.first()).use {
                assertContentEquals(FloatArray(2) { Accelerator.NPU.ordinal.toFloat() }, it.accelerators())
                assertEquals(emptyList(), it.notices)
            }
        }
    }

    @Test
    fun `where the NPU says no, the CPU runs what the file was compiled from, and the user is told`() {
        val folder = folder("SM8650", Fake("tflite", broken = true))
        folder.open(folder.choices.first()).use {
            assertEquals("m.tflite" to Accelerator.CPU, it.artefact.path to it.accelerator)
            assertContentEquals(FloatArray(2) { Accelerator.CPU.ordinal.toFloat() }, it.accelerators())
            val (notice) = it.notices
            assertTrue("m.sm8650.tflite" in notice && "without its libraries" in notice && "The CPU runs m.tflite" in notice, notice)
        }
    }

    @Test
    fun `a phone of another chip, or of none that it tells, is told so`() {
        for ((soc, word) in listOf("SM8550" to "SM8550", null to "not known")) {
            val folder = folder(soc, Fake("tflite"))
            assertEquals(setOf("m.tflite"), folder.choices.map { it.artefact.path }.toSet())
            folder.open(folder.choices.first()).use { classifier ->
                assertTrue(classifier.notices.single().let { "SM8650, SM8750" in it && word in it }, "${classifier.notices}")
            }
        }
    }

    @Test
    fun `a damaged file is no reason to fall back`() {
        val folder = folder("SM8650", Fake("tflite"), damaged = true)
        val failure = assertFailsWith<Failure> { folder.open(folder.choices.first()) }
        assertTrue("SHA-256" in failure.got, failure.got)
    }

    @Test
    fun `the real runtimes take such files, and say what is missing here`() {
        val folder = folder("SM8650", OnnxRuntime(threads = 1), "onnx")
        val failure = assertFailsWith<Failure> { folder.open(folder.choices.first()) }
        assertTrue("ONNX Runtime does not run on the CPU" in failure.got, failure.got)
    }
}
