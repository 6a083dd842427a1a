package io.temporal.internal.testservice;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.temporal.api.command.v1.Command;
import io.temporal.api.enums.v1.CommandType;
import io.temporal.api.enums.v1.WorkflowTaskFailedCause;
import io.temporal.failure.ServerFailure;
import java.lang.reflect.Field;
import java.util.Map;

/**
 * Stands before the test server's own class of this name on the class path. The test server refuses to cancel a timer that
 * fired while the workflow task was under way, and forgets that task: it is never failed, timed out or given again, and no time
 * is skipped any more (temporalio/sdk-java issue 3088). Here such a task fails as the real server fails one that cancels an
 * unknown timer, so that the worker gets it again with the timer fired. Search attributes are taken as they come.
 */
class CommandVerifier {
  private static final Field TIMERS = timersOfAWorkflow();

  CommandVerifier(TestVisibilityStore visibilityStore, TestNexusEndpointStore nexusEndpointStore) {}

  InvalidCommandResult verifyCommand(RequestContext context, Command command) {
    if (command.getCommandType() != CommandType.COMMAND_TYPE_CANCEL_TIMER) return null;
    String timer = command.getCancelTimerCommandAttributes().getTimerId();
    if (isRunning(context.getWorkflowMutableState(), timer)) return null;
    String problem = "BadCancelTimerAttributes: timer " + timer + " is not running";
    return new InvalidCommandResult(
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_CANCEL_TIMER_ATTRIBUTES,
        new ServerFailure(problem, true),
        Status.INVALID_ARGUMENT.withDescription(problem).asRuntimeException());
  }

  private static boolean isRunning(TestWorkflowMutableState workflow, String timer) {
    try {
      return ((Map<?, ?>) TIMERS.get(workflow)).containsKey(timer);
    } catch (IllegalAccessException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  private static Field timersOfAWorkflow() {
    try {
      Field timers = TestWorkflowMutableStateImpl.class.getDeclaredField("timers");
      timers.setAccessible(true);
      return timers;
    } catch (NoSuchFieldException changed) {
      throw new IllegalStateException("this test server keeps its timers elsewhere: look at CommandVerifier.java", changed);
    }
  }

  /** What the test server reads of a refusal. */
  static class InvalidCommandResult {
    private final WorkflowTaskFailedCause cause;
    private final ServerFailure failure;
    private final StatusRuntimeException answer;

    InvalidCommandResult(WorkflowTaskFailedCause cause, ServerFailure failure, StatusRuntimeException answer) {
      this.cause = cause;
      this.failure = failure;
      this.answer = answer;
    }

    public WorkflowTaskFailedCause getWorkflowTaskFailedCause() {
      return cause;
    }

    public ServerFailure getEventAttributesFailure() {
      return failure;
    }

    public RuntimeException getClientException() {
      return answer;
    }
  }
}
