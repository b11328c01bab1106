package org.evitmobile.inference

import java.io.File
import org.evitmobile.core.ArtefactEntry
import org.evitmobile.core.Failure
import org.evitmobile.core.NetworkInput
import org.evitmobile.core.demand
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor

/** ExecuTorch: what runs where is written in the file (XNNPACK, on the CPU). */
class ExecuTorchRuntime : Runtime {
    override val format = "executorch"
    override val name = "ExecuTorch"
    override val accelerators = listOf(Accelerator.CPU)

    override fun open(file: File, artefact: ArtefactEntry, accelerator: Accelerator): Engine {
        demand(accelerator in accelerators, "the $accelerator for ${artefact.path}", "the CPU") { "choose the CPU" }
        return translating(artefact) { ExecuTorchEngine(Module.load(file.path), artefact) }
    }
}

private class ExecuTorchEngine(private val module: Module, private val artefact: ArtefactEntry) : Engine {
    private val shape = artefact.input.shape.map(Int::toLong).toLongArray()

    override fun run(input: NetworkInput): FloatArray =
        translating(artefact) { module.forward(EValue.from(tensor(input))).first().toTensor().dataAsFloatArray }

    private fun tensor(input: NetworkInput): Tensor =
        when (input) {
            is NetworkInput.Pixels -> Tensor.fromBlobUnsigned(input.bytes, shape)
            is NetworkInput.Tensor -> Tensor.fromBlob(input.values, shape)
        }

    override fun close() = module.destroy()
}

/** ExecuTorch's errors are unchecked and of several types, differing between releases. */
@Suppress("TooGenericExceptionCaught")
private inline fun <T> translating(artefact: ArtefactEntry, body: () -> T): T =
    try {
        body()
    } catch (error: RuntimeException) {
        throw Failure(
            got = "${artefact.path}, which ExecuTorch does not run: ${error.message}",
            allowed = "a .pte file of the app's ExecuTorch release",
            advice = "export the model again",
            cause = error,
        )
    }
