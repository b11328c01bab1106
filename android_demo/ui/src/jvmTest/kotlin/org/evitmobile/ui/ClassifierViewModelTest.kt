package org.evitmobile.ui

import androidx.lifecycle.ViewModelStore
import java.io.File
import java.util.concurrent.CountDownLatch
import java.util.concurrent.CopyOnWriteArrayList
import kotlin.test.AfterTest
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.evitmobile.core.ArtefactEntry
import org.evitmobile.core.Failure
import org.evitmobile.core.ModelFiles
import org.evitmobile.core.NetworkInput
import org.evitmobile.core.RgbImage
import org.evitmobile.core.directory
import org.evitmobile.inference.Accelerator
import org.evitmobile.inference.Engine
import org.evitmobile.inference.ModelFolder
import org.evitmobile.inference.Runtime
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

class ClassifierViewModelTest {
    private val files = directory(File(checkNotNull(System.getProperty("evitmobile.fixtures")), "m0"))
    private val events = CopyOnWriteArrayList<String>()
    private val store = ViewModelStore()
    private val image = RgbImage(8, 8, ByteArray(192))

    @TempDir
    lateinit var cache: File

    @AfterTest
    fun clear() = store.clear()

    /** Class 7 always wins; [onRun] may wait or fail. There is no GPU, and no NPU is offered. */
    private inner class FakeRuntime(private val onRun: () -> Unit = {}) : Runtime {
        override val format = "tflite"
        override val name = "Fake"
        override val accelerators = listOf(Accelerator.CPU, Accelerator.GPU)

        override fun open(file: File, artefact: ArtefactEntry, accelerator: Accelerator): Engine {
            if (accelerator == Accelerator.GPU) throw Failure("no GPU", "one", "buy one")
            events += "open ${artefact.precision}"
            return object : Engine {
                override fun run(input: NetworkInput): FloatArray {
                    onRun()
                    return FloatArray(10) { if (it == 7) 9f else 0f }
                }

                override fun close() {
                    events += "close ${artefact.precision}"
                }
            }
        }
    }

    private fun viewModel(files: ModelFiles = this.files, runtime: Runtime = FakeRuntime()) =
        ClassifierViewModel({ ModelFolder.open(files, cache, listOf(runtime)) }).also { store.put("model", it) }

    private fun ClassifierViewModel.await(wanted: (UiState) -> Boolean): UiState = runBlocking { withTimeout(10_000) { state.first(wanted) } }

    private fun ClassifierViewModel.awaitRunning(wanted: (UiState.Running) -> Boolean = { true }) =
        assertIs<UiState.Running>(await { it is UiState.Running && wanted(it) })

    private fun without(path: String) = ModelFiles { if (it == path) throw java.io.FileNotFoundException(it) else files.open(it) }

    private fun altered(path: String, change: (ByteArray) -> ByteArray) =
        ModelFiles { if (it == path) change(files.open(it).readBytes()).inputStream() else files.open(it) }

    @Test
    fun `a folder opens, and a frame gets classes`() {
        val model = viewModel()
        assertEquals(listOf("Fake fp32, CPU", "Fake fp32, GPU", "Fake int8, CPU", "Fake int8, GPU"), model.awaitRunning().choices)
        assertTrue(model.onFrame { image })
        assertEquals("Sneaker", model.awaitRunning { it.result != null }.result!!.predictions.first().label)
    }

    @Test
    fun `another choice closes the first engine before it opens its own`() {
        val model = viewModel()
        model.awaitRunning()
        model.onSelect(2)
        model.awaitRunning { it.selected == 2 }
        assertEquals(listOf("open fp32", "close fp32", "open int8"), events)
    }

    @Test
    fun `a fallback is told`() {
        val model = viewModel()
        model.awaitRunning()
        model.onSelect(1)
        val state = model.awaitRunning { it.selected == 1 }
        assertEquals("Fake fp32 on the CPU", state.runsOn)
        assertTrue(state.notices.single().startsWith("GPU cannot run"), "${state.notices}")
    }

    @Test
    fun `frames are dropped while one is classified, and not even read`() {
        val (started, release) = CountDownLatch(1) to CountDownLatch(1)
        val model = viewModel(runtime = FakeRuntime { started.countDown(); release.await() })
        model.awaitRunning()
        assertTrue(model.onFrame { image })
        started.await()
        repeat(5) { assertFalse(model.onFrame { error("a dropped frame was read") }) }
        release.countDown()
        assertEquals(5, model.awaitRunning { it.result != null }.result!!.dropped)
    }

    @Test
    fun `leaving waits for the running inference, then closes`() {
        val (started, release) = CountDownLatch(1) to CountDownLatch(1)
        val model = viewModel(runtime = FakeRuntime { started.countDown(); release.await(); events += "ran" })
        model.awaitRunning()
        model.onFrame { image }
        started.await()
        store.clear()
        assertEquals(listOf("open fp32"), events)
        release.countDown()
        runBlocking { withTimeout(10_000) { while (events.size < 3) kotlinx.coroutines.delay(5) } }
        assertEquals(listOf("open fp32", "ran", "close fp32"), events)
    }

    @Test
    fun `a missing manifest, a missing artefact and a damaged one are errors on the screen`() {
        val path = "efficientvit_m0.fp32.tflite"
        val damages = mapOf(
            without("manifest.json") to "manifest.json",
            without(path) to path,
            altered(path) { bytes -> bytes.copyOf(bytes.size / 2) } to "SHA-256",
            altered("manifest.json") { String(it).replaceFirst("\"schema\": 2", "\"schema\": 3").encodeToByteArray() } to "schema 3",
        )
        for ((damaged, word) in damages) {
            val state = assertIs<UiState.Error>(viewModel(damaged).await { it != UiState.Loading })
            assertTrue(word in state.got, "$state")
        }
        assertEquals(emptyList(), events)
    }

    @Test
    fun `after an error another choice can be taken`() {
        val model = viewModel(altered("efficientvit_m0.fp32.tflite") { byteArrayOf(1) })
        val error = assertIs<UiState.Error>(model.await { it is UiState.Error })
        assertEquals("Fake int8, CPU", error.choices[2])
        model.onSelect(2)
        assertEquals(2, model.awaitRunning().selected)
    }

    @Test
    fun `an engine that fails on a frame is an error, not a crash`() {
        val model = viewModel(runtime = FakeRuntime { throw Failure("a driver that is gone", "one that works", "try the CPU") })
        model.awaitRunning()
        model.onFrame { image }
        assertEquals("a driver that is gone", assertIs<UiState.Error>(model.await { it is UiState.Error }).got)
    }
}
