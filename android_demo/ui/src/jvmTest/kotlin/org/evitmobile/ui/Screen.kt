package org.evitmobile.ui

import androidx.compose.runtime.Composable
import androidx.compose.ui.InternalComposeUiApi
import androidx.compose.ui.graphics.asComposeCanvas
import androidx.compose.ui.input.pointer.PointerEventType
import androidx.compose.ui.platform.PlatformContext
import androidx.compose.ui.scene.CanvasLayersComposeScene
import androidx.compose.ui.scene.ComposeSceneContext
import androidx.compose.ui.semantics.SemanticsNode
import androidx.compose.ui.semantics.SemanticsOwner
import androidx.compose.ui.semantics.SemanticsProperties
import androidx.compose.ui.semantics.getAllSemanticsNodes
import androidx.compose.ui.semantics.getOrNull
import androidx.compose.ui.unit.Density
import androidx.compose.ui.unit.IntSize
import kotlinx.coroutines.Dispatchers
import org.jetbrains.skia.Surface

/** A screen of [width] x [height] pixels without a window: it draws into memory, and tells and takes what a finger would. */
@OptIn(InternalComposeUiApi::class)
class Screen(width: Int, height: Int, content: @Composable () -> Unit) : AutoCloseable {
    private val owners = mutableSetOf<SemanticsOwner>()
    private val surface = Surface.makeRasterN32Premul(width, height)
    private var nanoseconds = 0L
    private val scene = CanvasLayersComposeScene(
        density = Density(2f),
        size = IntSize(width, height),
        coroutineContext = Dispatchers.Unconfined,
        composeSceneContext = object : ComposeSceneContext {
            override val platformContext = object : PlatformContext by PlatformContext.Empty {
                override val semanticsOwnerListener = Owners()
            }
        },
    )

    init {
        scene.setContent(content)
        render()
    }

    private inner class Owners : PlatformContext.SemanticsOwnerListener {
        override fun onSemanticsOwnerAppended(semanticsOwner: SemanticsOwner) {
            owners += semanticsOwner
        }

        override fun onSemanticsOwnerRemoved(semanticsOwner: SemanticsOwner) {
            owners -= semanticsOwner
        }

        override fun onSemanticsChange(semanticsOwner: SemanticsOwner) = Unit

        override fun onLayoutChange(semanticsOwner: SemanticsOwner, semanticsNodeId: Int) = Unit
    }

    /** Draws a second's frames, so that animations end. */
    fun render() = repeat(60) {
        scene.render(surface.canvas.asComposeCanvas(), nanoseconds)
        nanoseconds += 16_666_667
    }

    /** The PNG of what was drawn last. */
    fun png(): ByteArray = surface.makeImageSnapshot().encodeToData()!!.bytes

    fun nodes(): List<SemanticsNode> = owners.flatMap { it.getAllSemanticsNodes(mergingEnabled = false) }

    fun texts(): List<String> = nodes().mapNotNull { it.text() }

    /** Presses and releases in the middle of the only text that reads so. */
    fun click(text: String) {
        val position = nodes().single { it.text() == text }.boundsInWindow.center
        scene.sendPointerEvent(PointerEventType.Press, position)
        scene.sendPointerEvent(PointerEventType.Release, position)
        render()
    }

    override fun close() = scene.close()
}

private fun SemanticsNode.text() = config.getOrNull(SemanticsProperties.Text)?.joinToString()
