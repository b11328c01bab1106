package org.evitmobile.inference

import java.io.File
import org.evitmobile.core.ArtefactEntry
import org.evitmobile.core.NetworkInput

/** Where an artefact may run. */
enum class Accelerator { CPU, GPU, NPU }

/** One opened artefact. Whoever opened it closes it; calls come from one thread at a time. */
interface Engine : AutoCloseable {
    /** Logits or probabilities (num_classes) of what the artefact takes. Throws [org.evitmobile.core.Failure]. */
    fun run(input: NetworkInput): FloatArray
}

/** What opens artefacts of one [format], as manifests call it. */
interface Runtime {
    val format: String
    val name: String

    /** Where this runtime can put work, the CPU among them; a device may lack some. */
    val accelerators: List<Accelerator>

    /** Opens a file whose bytes were checked. Throws [org.evitmobile.core.Failure] when it does not run on [accelerator]. */
    fun open(file: File, artefact: ArtefactEntry, accelerator: Accelerator): Engine
}

/** An engine, where it really runs, and what the user should know about that. */
class Opened(val engine: Engine, val accelerator: Accelerator, val notices: List<String>)
