// The parts of Apache ECharts that the page uses, and nothing else.
import * as echarts from "echarts/core";
import { BarChart, HeatmapChart, LineChart, MapChart } from "echarts/charts";
import {
  AriaComponent,
  GridComponent,
  MarkLineComponent,
  TooltipComponent,
  VisualMapComponent,
} from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";

echarts.use([
  AriaComponent,
  BarChart,
  CanvasRenderer,
  GridComponent,
  HeatmapChart,
  LineChart,
  MapChart,
  MarkLineComponent,
  TooltipComponent,
  VisualMapComponent,
]);

export const { init, registerMap, version } = echarts;
