package org.evitmobile.ui

import androidx.compose.foundation.layout.Box
import androidx.lifecycle.ViewModelStore
import java.io.File
import java.io.FileNotFoundException
import java.security.MessageDigest
import java.util.HexFormat
import javax.imageio.ImageIO
import kotlin.test.AfterTest
import kotlin.test.assertEquals
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.evitmobile.core.ModelFiles
import org.evitmobile.core.RgbImage
import org.evitmobile.core.directory
import org.evitmobile.core.topK
import org.evitmobile.inference.LiteRtRuntime
import org.evitmobile.inference.ModelFolder
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.io.TempDir

/** From a model folder to what is on the screen, with LiteRT itself: other models run, and damaged folders end in words. */
class ModelFoldersTest {
    private val fixtures = File(checkNotNull(System.getProperty("evitmobile.fixtures")))
    private val m0 = directory(File(fixtures, "m0"))
    private val store = ViewModelStore()

    @TempDir
    lateinit var cache: File

    @AfterTest
    fun clear() = store.clear()

    private fun viewModel(files: ModelFiles) =
        ClassifierViewModel({ ModelFolder.open(files, cache, listOf(LiteRtRuntime(threads = 1))) }).also { store.put("$files", it) }

    private fun ClassifierViewModel.await(wanted: (UiState) -> Boolean): UiState = runBlocking { withTimeout(60_000) { state.first(wanted) } }

    /** All texts of the screen in this state. */
    private fun shown(state: UiState, name: String): List<String> =
        Screen(720, 1280) { ClassifierScreen(state, {}, {}) { modifier -> Box(modifier) } }.use { screen ->
            System.getProperty("evitmobile.screenshots")?.let { File(it, "$name.png").writeBytes(screen.png()) }
            screen.texts()
        }

    @TestFactory
    fun `another model needs no other code`() =
        mapOf("m0" to "efficientvit_m0", "b0" to "efficientvit_b0", "five" to "efficientvit_m0").map { (folder, name) ->
            dynamicTest(folder) {
                val files = directory(File(fixtures, folder))
                val opened = ModelFolder.open(files, cache, listOf(LiteRtRuntime(threads = 1)))
                val golden = checkNotNull(opened.golden())
                val (image, proven) = golden.bundle.images[0] to golden.bundle.artefacts.getValue(opened.choices[0].artefact.path).logits[0]
                val model = viewModel(files)
                model.await { it is UiState.Running }
                model.onFrame { decodePng(golden.encoded(image)) }
                val texts = shown(model.await { it is UiState.Running && it.result != null }, "model-$folder")
                val label = opened.manifest.labels[topK(proven.toFloatArray(), 1).single()]
                assertTrue(name in texts && label in texts, "$label: $texts")
            }
        }

    private val path = "efficientvit_m0.fp32.tflite"
    private val text = m0.open("manifest.json").use { it.readBytes().decodeToString() }
    private val digest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(m0.open(path).use { it.readBytes() }))
    private val junk = ByteArray(5000) { (it * 31).toByte() }
    private val junkDigest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(junk))

    /** m0 with some files replaced, or, where null, taken away. */
    private fun changed(vararg changes: Pair<String, ByteArray?>): ModelFiles {
        val replaced = changes.toMap()
        return ModelFiles { path -> if (path in replaced) replaced[path]?.inputStream() ?: throw FileNotFoundException(path) else m0.open(path) }
    }

    private fun manifest(change: (String) -> String) = "manifest.json" to change(text).also { check(it != text) }.encodeToByteArray()

    /** What is wrong with the folder, and a word that the screen must show. */
    private val faults = mapOf(
        "wrong hash" to (changed(manifest { it.replace(digest, "0".repeat(64)) }) to "SHA-256"),
        "missing artefact" to (changed(path to null) to "no readable $path"),
        "unknown schema" to (changed(manifest { it.replaceFirst("\"schema\": 2", "\"schema\": 3") }) to "schema 3"),
        "damaged model" to (changed(path to junk) to "SHA-256"),
        "damaged model of the right hash" to (changed(path to junk, manifest { it.replace(digest, junkDigest) }) to "LiteRT does not run"),
        "another number of classes" to (changed(manifest { it.replace("\"num_classes\": 10", "\"num_classes\": 12") }) to "10 labels for 12"),
        "no manifest" to (changed("manifest.json" to null) to "manifest.json"),
    )

    @TestFactory
    fun `a fault ends in a readable screen`(): List<DynamicTest> =
        faults.map { (name, fault) ->
            dynamicTest(name) {
                val (files, word) = fault
                val state = assertIs<UiState.Error>(viewModel(files).await { it != UiState.Loading })
                val texts = shown(state, "fault-${name.replace(' ', '-')}")
                assertEquals("This model cannot run", texts.first())
                assertTrue(texts.any { it.startsWith("Found: ") && word in it } && texts.any { it.startsWith("What to do: ") }, "$texts")
            }
        }
}

private fun decodePng(encoded: ByteArray): RgbImage {
    val image = ImageIO.read(encoded.inputStream())
    return RgbImage(image.height, image.width, image.getRGB(0, 0, image.width, image.height, null, 0, image.width))
}
