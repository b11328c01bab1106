package org.evitmobile.ui

import androidx.lifecycle.ViewModel
import java.util.concurrent.Executors
import java.util.concurrent.atomic.AtomicBoolean
import java.util.concurrent.atomic.AtomicInteger
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.ExecutorCoroutineDispatcher
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.launch
import org.evitmobile.core.Failure
import org.evitmobile.core.RgbImage
import org.evitmobile.inference.Classifier
import org.evitmobile.inference.ModelFolder

/**
 * Owns the model and the open classifier. Everything that touches them runs on one thread, [worker], closing included, so an engine
 * is never closed under a running inference.
 */
class ClassifierViewModel(
    private val open: () -> ModelFolder,
    private val worker: ExecutorCoroutineDispatcher = Executors.newSingleThreadExecutor().asCoroutineDispatcher(),
) : ViewModel() {
    private val scope = CoroutineScope(worker)
    private val mutableState = MutableStateFlow<UiState>(UiState.Loading)
    private val busy = AtomicBoolean(false)
    private val dropped = AtomicInteger(0)
    private var folder: ModelFolder? = null
    private var classifier: Classifier? = null

    val state: StateFlow<UiState> = mutableState.asStateFlow()

    init {
        scope.launch {
            failing { open() }?.let {
                folder = it
                select(0, it)
            }
        }
    }

    /** Opens the choice at this position of the shown list instead of the one that runs. */
    fun onSelect(position: Int) {
        mutableState.value = UiState.Loading
        scope.launch { folder?.let { select(position, it) } }
    }

    /**
     * Classifies a frame, or drops it when another one is being classified: frames never queue. [read] makes the image and is called
     * at once, on the caller's thread, only for frames that are not dropped. Returns whether it was taken.
     */
    fun onFrame(read: () -> RgbImage): Boolean {
        if (!busy.compareAndSet(false, true)) {
            dropped.incrementAndGet()
            return false
        }
        val image = try {
            read()
        } catch (error: IllegalArgumentException) {
            busy.set(false)
            throw error
        }
        scope.launch {
            classify(image)
            busy.set(false)
        }
        return true
    }

    override fun onCleared() {
        scope.launch {
            classifier?.close()
            classifier = null
            worker.close()
        }
    }

    private fun select(position: Int, folder: ModelFolder) {
        classifier?.close()
        classifier = null
        val titles = folder.choices.map { it.title }
        val opened = failing(titles, position) { folder.open(folder.choices[position]) } ?: return
        classifier = opened
        mutableState.value = UiState.Running(
            model = folder.manifest.model.name,
            choices = titles,
            selected = position,
            runsOn = "${opened.runtime} ${opened.artefact.precision} on the ${opened.accelerator}",
            notices = opened.notices,
        )
    }

    private fun classify(image: RgbImage) {
        val open = classifier ?: return
        val running = mutableState.value as? UiState.Running ?: return
        failing(running.choices, running.selected) { open.classify(image) }?.let {
            val result = Result(it.predictions, it.preprocessMs, it.inferenceMs, dropped.get())
            mutableState.compareAndSet(running, running.copy(result = result))
        }
    }

    /** The result of [body]; null after a failure, which the state then shows. */
    private fun <T> failing(choices: List<String> = emptyList(), selected: Int? = null, body: () -> T): T? =
        try {
            body()
        } catch (failure: Failure) {
            mutableState.value = failure.toState(choices, selected)
            null
        }
}
