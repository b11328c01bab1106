package org.evitmobile.ui

import androidx.compose.foundation.background
import androidx.compose.foundation.layout.Box
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.setValue
import androidx.compose.ui.graphics.Color
import androidx.compose.ui.semantics.SemanticsProperties
import androidx.compose.ui.semantics.getOrNull
import java.io.File
import kotlin.test.AfterTest
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import org.evitmobile.core.Prediction
import org.junit.jupiter.api.Test

/** Renders the real screen with Compose for desktops, reads what it says, and clicks on it. */
class ClassifierScreenTest {
    private var state: UiState by mutableStateOf(UiState.Loading)
    private val selected = mutableListOf<Int>()
    private var benchmarks = 0
    private val screen = Screen(WIDTH, HEIGHT) {
        ClassifierScreen(state, selected::add, { benchmarks++ }) { modifier -> Box(modifier.background(Color.DarkGray)) }
    }

    private val running = UiState.Running(
        model = "efficientvit_m0",
        choices = listOf("LiteRT fp32, CPU", "LiteRT int8, CPU", "LiteRT int8, GPU"),
        selected = 2,
        runsOn = "LiteRT int8 on the CPU",
        notices = listOf("GPU cannot run efficientvit_m0.int8.tflite here. The CPU runs it instead."),
        result = Result(listOf(Prediction("Sneaker", 0.912), Prediction("Sandal", 0.061), Prediction("Ankle boot", 0.02)), 1.9, 0.5, 3),
    )

    @AfterTest
    fun close() = screen.close()

    /** Shows a state, and saves the picture where the property asks for it. */
    private fun show(shown: UiState, name: String) {
        state = shown
        screen.render()
        System.getProperty("evitmobile.screenshots")?.let { File(it, "$name.png").writeBytes(screen.png()) }
    }

    @Test
    fun `running shows classes, times and notices`() {
        show(running, "running")
        val expected = listOf("efficientvit_m0", "LiteRT int8 on the CPU", running.notices.single(), "Sneaker", "91.2 %", "LiteRT int8, GPU")
        assertTrue(screen.texts().containsAll(expected), "${screen.texts()}")
        assertTrue("1.9 ms to prepare, 0.5 ms to infer, 3 frames dropped" in screen.texts(), "${screen.texts()}")
    }

    @Test
    fun `everything fits on a small phone`() {
        show(running, "running")
        assertTrue(screen.nodes().all { it.boundsInWindow.right <= WIDTH && it.boundsInWindow.bottom <= HEIGHT })
    }

    @Test
    fun `before the first frame it waits`() {
        show(running.copy(result = null), "waiting")
        assertTrue("Waiting for the camera" in screen.texts())
    }

    @Test
    fun `clicks reach the callbacks`() {
        show(running, "running")
        screen.click("Benchmark")
        assertEquals(1, benchmarks)
        screen.click("LiteRT int8, GPU")
        screen.click("LiteRT fp32, CPU")
        assertEquals(listOf(0), selected)
    }

    @Test
    fun `an error says what, what else and what to do, and lets choose again`() {
        show(UiState.Error("a file with SHA-256 12ab", "34cd", "export the app's model again", running.choices, 0), "error")
        val expected = listOf("Found: a file with SHA-256 12ab", "Allowed: 34cd", "What to do: export the app's model again")
        assertTrue(screen.texts().containsAll(expected), "${screen.texts()}")
        screen.click("LiteRT fp32, CPU")
        screen.click("LiteRT int8, CPU")
        assertEquals(listOf(1), selected)
    }

    @Test
    fun `loading shows progress and nothing else`() {
        show(UiState.Loading, "loading")
        assertEquals(emptyList(), screen.texts())
        assertTrue(screen.nodes().any { it.config.getOrNull(SemanticsProperties.TestTag) == "loading" })
    }

    private companion object {
        const val WIDTH = 720
        const val HEIGHT = 1280
    }
}
