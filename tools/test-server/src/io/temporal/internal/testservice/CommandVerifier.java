package io.temporal.internal.testservice;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.temporal.api.command.v1.Command;
import io.temporal.api.enums.v1.WorkflowTaskFailedCause;
import io.temporal.failure.ServerFailure;
import java.lang.reflect.Field;
import java.util.Map;

/**
 * Stands before the test server's own class of this name on the class path. The test server refuses to cancel what has come to
 * its end while the workflow task was under way, a timer that fired or an activity that was done, and forgets that task: it is
 * never failed, timed out or given again, and no time is skipped any more (temporalio/sdk-java issue 3088). Here such a task
 * fails, as the real server fails one that cancels something unknown, and the worker gets it again with what has happened.
 * Search attributes are taken as they come.
 */
class CommandVerifier {
  private static final Field TIMERS = fieldOfAWorkflow("timers");
  private static final Field ACTIVITIES = fieldOfAWorkflow("activities");

  CommandVerifier(TestVisibilityStore visibilityStore, TestNexusEndpointStore nexusEndpointStore) {}

  InvalidCommandResult verifyCommand(RequestContext context, Command command) {
    TestWorkflowMutableState workflow = context.getWorkflowMutableState();
    switch (command.getCommandType()) {
      case COMMAND_TYPE_CANCEL_TIMER:
        String timer = command.getCancelTimerCommandAttributes().getTimerId();
        return has(TIMERS, workflow, timer)
            ? null
            : over(
                WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_CANCEL_TIMER_ATTRIBUTES,
                "timer " + timer);
      case COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK:
        long activity =
            command.getRequestCancelActivityTaskCommandAttributes().getScheduledEventId();
        return has(ACTIVITIES, workflow, activity)
            ? null
            : over(
                WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES,
                "activity " + activity);
      default:
        return null;
    }
  }

  private static InvalidCommandResult over(WorkflowTaskFailedCause cause, String what) {
    String problem = what + " came to its end while the workflow task that cancels it was under way";
    return new InvalidCommandResult(
        cause,
        new ServerFailure(problem, true),
        Status.INVALID_ARGUMENT.withDescription(problem).asRuntimeException());
  }

  private static boolean has(Field field, TestWorkflowMutableState workflow, Object id) {
    try {
      return ((Map<?, ?>) field.get(workflow)).containsKey(id);
    } catch (IllegalAccessException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  private static Field fieldOfAWorkflow(String name) {
    try {
      Field field = TestWorkflowMutableStateImpl.class.getDeclaredField(name);
      field.setAccessible(true);
      return field;
    } catch (NoSuchFieldException changed) {
      throw new IllegalStateException(
          "this test server keeps its " + name + " elsewhere: look at CommandVerifier.java", changed);
    }
  }

  /** What the test server reads of a refusal. */
  static class InvalidCommandResult {
    private final WorkflowTaskFailedCause cause;
    private final ServerFailure failure;
    private final StatusRuntimeException answer;

    InvalidCommandResult(
        WorkflowTaskFailedCause cause, ServerFailure failure, StatusRuntimeException answer) {
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
